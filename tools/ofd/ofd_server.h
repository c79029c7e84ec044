/* The test operator as a process: listeners, connections and the control socket in
 * one poll loop. */
#ifndef TOOLS_OFD_OFD_SERVER_H
#define TOOLS_OFD_OFD_SERVER_H

#include "tools/ofd/ofd_operator.h"

struct ofd_server_options {
    const char *store_path;
    const char *listen;        /* HOST:PORT of plain TCP, NULL: none */
    const char *tls;           /* HOST:PORT of TLS, NULL: none */
    const char *tls_directory; /* certificates */
    const char *inn;
    const char *control_path; /* unix socket */
};

/* Serves until SIGTERM or SIGINT: 0. 1: could not start, said why on stderr. */
int ofd_server_run(const struct ofd_server_options *options);
/* Sends one command to a running server: 0 done, 1 refused or nobody there (said why on stderr). */
int ofd_server_control(const char *control_path, const char *command);

#endif
