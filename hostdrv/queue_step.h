/* For tests only: a look at every step of the queue, where a crash would hurt most. Nothing here is
 * exported. */
#ifndef HOSTDRV_QUEUE_STEP_H
#define HOSTDRV_QUEUE_STEP_H

#include "hostdrv/kkt.h"

enum queue_step {
    QUEUE_STEP_STATEMENT,     /* before every statement that writes, and before every commit */
    QUEUE_STEP_STORED,        /* a submission is durable */
    QUEUE_STEP_LOCKED,        /* this process works the queue off */
    QUEUE_STEP_MARKED,        /* the job is marked as sent, nothing left yet */
    QUEUE_STEP_SENT,          /* its bytes were handed to the transport */
    QUEUE_STEP_ANSWERED,      /* the answer was read, nothing stored */
    QUEUE_STEP_RESULT_STORED, /* results are durable */
    QUEUE_STEP_UNLOCKED
};
typedef void (*queue_step_hook)(void *user, enum queue_step step);

/* Called at every step from now on; NULL ends it. */
void queue_set_step_hook(kkt_queue *queue, queue_step_hook hook, void *user);

#endif
