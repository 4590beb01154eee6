/* SPDX-License-Identifier: MIT
 *
 * Bringing row-major arrays into the layout that a session's input wants.
 */
#ifndef NT_FRONTEND_PORT_H
#define NT_FRONTEND_PORT_H

#include "frontend/session.h"

/* Both arrays have the port's element count and type; they must not overlap. */
void nt_port_pack(const struct nt_port *port, const void *row_major, void *packed);

#endif
