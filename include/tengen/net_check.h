/* Holding a network's results on one device against another's.
 *
 * A live self-check repeats one in so many inference passes on the CPU, with the same weights in the same
 * precision, and keeps the first output that is off. Nobody's results change by it.
 */
#ifndef TENGEN_NET_CHECK_H
#define TENGEN_NET_CHECK_H

#include "tengen/net.h"

/* From now on every `every`th inference pass of each of the net's plans is repeated on the CPU. Before any
 * other thread uses the net. */
enum status net_check_start(struct net *net, int every) MUST_USE;
/* Whether one was started: its passes are no part of a graph, since the CPU repeats them in between. */
bool net_is_checked(const struct net *net);
/* STATUS_DEVICE, with a text that names output, pass, row and layer, if one has been off since the start; OK
 * where no check was started. While no pass is running. */
enum status net_check_result(const struct net *net) MUST_USE;

/* Root mean square of got - want over that of want, which counts as at least `least`: 0 for the error
 * relative to the values alone. NaN where there is one, infinite beside zeros. */
double check_error(const float *got, const float *want, size_t count, double least);
/* Largest check_error of one device beside another in the same precision. */
double check_tolerance(enum precision precision, bool gradients);

#endif
