/* SPDX-License-Identifier: MIT
 *
 * The charts of the page. Shared by page.c and page_chart.c.
 */
#ifndef NT_BENCH_PAGE_H
#define NT_BENCH_PAGE_H

#include "bench/subject.h"
#include "engine/text.h"

/* Text with what HTML reads otherwise replaced. */
void bench_escape(struct nt_text *page, const char *text);

/* Arithmetic intensity against rate, both logarithmic, under the roofs. */
void bench_chart_roofline(struct nt_text *page, int count, const struct bench_subject *subject);

/* A bar per network and subject. */
void bench_chart_networks(struct nt_text *page, int count, const struct bench_subject *subject);

/* Layers by passes, coloured by their share of the limit. */
void bench_chart_heat(struct nt_text *page, const struct bench_subject *subject);

#endif
