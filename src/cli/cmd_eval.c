/* tengen eval */
#include <string.h>

#include "cli/cli.h"
#include "tengen/algo.h"

enum { OVERRIDES_MAX = 256 };

static enum status eval_run(int argc, char **argv) {
    struct options o;
    const char *overrides[OVERRIDES_MAX], *word, *run = NULL;
    long episodes = 0;
    int count = 0;
    options_init(&o, argc, argv);
    TRY(option_long(&o, "episodes", &episodes, 1, 10000000));
    struct report report = {.json = option_flag(&o, "json")};
    TRY(option_done(&o));
    while ((word = option_word(&o))) {
        if (strchr(word, '=')) {
            if (count == OVERRIDES_MAX)
                return status_fail(STATUS_USAGE, "more than %d settings", OVERRIDES_MAX);
            overrides[count++] = word;
        } else if (run) {
            return status_fail(STATUS_USAGE, "two runs, %s and %s; evaluate one at a time", run, word);
        } else {
            run = word;
        }
    }
    if (!run) return status_fail(STATUS_USAGE, "which run? tengen eval runs/NAME");
    return algo_evaluate(run, (int)episodes, &report, overrides, count);
}

const struct command command_eval = {
    .name = "eval",
    .summary = "measure what a run has learned, by its algorithm's protocol",
    .usage = "tengen eval RUN [--episodes N] [--json] [section.key=value ...]",
    .help =
        "Evaluates the newest checkpoint of a run directory, or a checkpoint file.\n\n"
        "  ppo        greedy episodes in fresh environments (default 100): eval.return.mean, .min, .std,\n"
        "             eval.length.mean, eval.episodes, of Atari's games eval.human_normalised\n"
        "  q_learning  the same, after the table and the policy as a picture\n"
        "  alphazero  games (default 200): the raw policy against a random player, the search against the\n"
        "             untrained network with the same search (alphazero.eval_simulations):\n"
        "             eval.policy_vs_random.score, .wins, eval.search_vs_untrained.score, .wins\n\n"
        "  env.count  how many environments play at once (of worker processes no more than in training, else "
        "256)\n"
        "  --json     one object a line: {\"name\": ..., \"value\": ..., \"unit\": ...}\n",
    .run = eval_run,
};
