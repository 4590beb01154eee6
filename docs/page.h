/* SPDX-License-Identifier: MIT
 *
 * Pages of docs/ that programs make from the tables of the tree.
 */
#ifndef NT_DOCS_PAGE_H
#define NT_DOCS_PAGE_H

/* Prints the page; with an argument, checks that this file is the page: the exit status, 1 with
 * where it differs. name: the target of meson that makes it. Takes the page; NULL: no memory. */
int page_main(int argc, char **argv, const char *name, char *page);

#endif
