/* What systemd and a service say to each other: sd_notify(3) and sd_listen_fds(3), by hand. */
#ifndef COLLAB_SERVER_SD_H
#define COLLAB_SERVER_SD_H

#include <stdint.h>

/* Tell the service manager, if there is one: "READY=1", "STOPPING=1", ... */
void sd_tell(const char *state);

/* Tell it that the configuration is being read again; sd_tell("READY=1") when that is done. */
void sd_tell_reloading(void);

/*
 * How many listening sockets were handed to this process, as descriptors 3, 4, ...  The variables
 * that say so are taken out of the environment.
 */
int sd_listeners(void);

#endif
