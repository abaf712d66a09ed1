/* What is done with a finished checkpoint: evaluation by the algorithm's protocol, and export of its weights.
 */
#include <stdio.h>
#include <string.h>

#include "algo/episodes.h"
#include "algo/footprint.h"
#include "tengen/mem.h"

static enum status session_open(struct session *s) {
    struct footprint f;
    TRY(run_open_device(&s->run));
    TRY(footprint_settle(s, &f));
    return s->algo->open(s->self, &s->run);
}

/* The state that is loaded is of as many environments as were trained with. From then on [env] count says how
 * many play at once: what the command line asks for; what stands outside the program no more than in
 * training; else EPISODE_LANES. */
static enum status set_lanes(struct session *s, const char *asked) {
    const struct env_config *env = config_values(s->config, "env");
    char setting[32];
    if (asked) return config_override(s->config, asked);
    if (!env || strchr(env->name, ':')) return STATUS_OK;
    snprintf(setting, sizeof setting, "env.count=%d", EPISODE_LANES);
    return config_override(s->config, setting);
}

/* The last override of [env] count, which is taken out of the others. */
static const char *take_lanes(const char **overrides, int *count) {
    static const char key[] = "env.count=";
    const char *asked = NULL;
    int kept = 0;
    for (int i = 0; i < *count; i++)
        if (strncmp(overrides[i], key, strlen(key)) == 0)
            asked = overrides[i];
        else
            overrides[kept++] = overrides[i];
    *count = kept;
    return asked;
}

enum status algo_evaluate(const char *run_or_file, int episodes, const struct report *report,
                          const char *const *overrides, int override_count) {
    char path[1024];
    TRY(run_find_checkpoint(run_or_file, path, sizeof path));
    struct session s = {.run.evaluating = true};
    const char **others = MEM_NEW(const char *, override_count);
    if (override_count) memcpy(others, overrides, (size_t)override_count * sizeof *others);
    const char *asked = take_lanes(others, &override_count);
    enum status status = session_configure_from(&s, path, others, override_count);
    mem_free(others);
    if (status == STATUS_OK) status = session_open(&s);
    if (status == STATUS_OK) status = session_restore(&s, path);
    if (status == STATUS_OK) status = set_lanes(&s, asked);
    if (status == STATUS_OK) session_warn_unused(&s, NULL);
    if (status == STATUS_OK) status = s.algo->evaluate(s.self, &s.run, episodes, report);
    session_close(&s);
    return status;
}

static void put_example(struct checkpoint_writer *w, struct queue *q, const char *name, struct tensor t) {
    char path[96];
    int64_t dims[TENSOR_RANK];
    float *host = MEM_NEW(float, tensor_count(t));
    queue_download(q, host, t);
    for (int i = 0; i < t.rank; i++)
        dims[i] = t.dims[i];
    snprintf(path, sizeof path, "example/%s", name);
    checkpoint_put(w, path, DTYPE_F32, t.rank, dims, host, NULL);
    mem_free(host);
}

/* /example: inputs drawn at random, and what the network of the checkpoint makes of them, without noise. */
static enum status put_examples(struct session *s, struct checkpoint_writer *w, int count) {
    struct net *net = s->algo->net ? s->algo->net(s->self) : NULL;
    if (!net)
        return status_fail(STATUS_USAGE, "algorithm %s has no network to give examples of", s->algo->name);
    struct queue *q = s->run.queue;
    struct plan *plan;
    TRY(net_noise(net, NULL));
    TRY(plan_create(net, q, PLAN_INFER, PRECISION_F32, count, &plan));
    static const char *const inputs[] = {"observation", "state", "starts"};
    struct rng rng = rng_make(1, RNG_TEST, 0);
    for (int k = 0; k < 3; k++) {
        if (!net_input_count(net, inputs[k])) continue;
        struct tensor input = plan_input(plan, inputs[k]);
        float *host = MEM_NEW(float, tensor_count(input));
        for (size_t i = 0; i < tensor_count(input); i++)
            host[i] = rng_uniform(&rng);
        queue_upload(q, input, host);
        mem_free(host);
        put_example(w, q, inputs[k], input);
    }
    plan_forward(plan, count);
    for (int i = 0; i < net_outputs(net); i++)
        put_example(w, q, net_output_name(net, i), plan_output(plan, net_output_name(net, i)));
    plan_free(plan);
    return queue_wait(q);
}

enum status algo_export(const char *run_or_file, const char *to, int examples) {
    static const char *const plain[] = {"run.device=cpu", "run.precision=f32"};
    char path[1024];
    struct checkpoint_writer *w;
    struct session s = {.run.evaluating = true};
    TRY(run_find_checkpoint(run_or_file, path, sizeof path));
    if (examples == 0) return checkpoint_export(path, to);
    enum status status = session_configure_from(&s, path, plain, 2);
    if (status == STATUS_OK) status = session_open(&s);
    if (status == STATUS_OK) status = session_restore(&s, path);
    if (status == STATUS_OK) {
        status = checkpoint_export_begin(path, to, &w);
        if (status == STATUS_OK) {
            status = put_examples(&s, w, examples);
            if (status == STATUS_OK)
                status = checkpoint_commit(w);
            else
                checkpoint_abandon(w);
        }
    }
    session_close(&s);
    return status;
}
