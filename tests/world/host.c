#include "tests/world/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostdrv/arrival.h"
#include "hostdrv/clock.h"
#include "hostdrv/fault.h"
#include "hostdrv/queue_step.h"
#include "hostdrv/transport.h"
#include "tests/world/check.h"
#include "tests/world/host_lock.h"
#include "tests/world/host_random.h"

#define QUEUE_PATH   "queue.db"
#define AFTERLIFE_MS 1000000000000u

struct host host;

/* ---- Clocks ---- */

/* For the dead all time is over: whatever they wait for ends at once. */
uint64_t host_clock_ms(void)
{
    return host.alive ? host.sim->now : host.sim->now + AFTERLIFE_MS;
}

int64_t host_clock_unix_s(void)
{
    return (int64_t)SIM_START + (int64_t)(host.sim->now / 1000) + host.calendar_jump;
}

void host_clock_sleep(unsigned milliseconds)
{
    if (host.alive)
        sim_run(host.sim, milliseconds);
}

void host_clock_boot_id(char out[37])
{
    snprintf(out, 37, "00000000-0000-4000-8000-%012u", host.machine_starts);
}

/* Nothing is plugged in here by itself. */
struct arrival *arrival_watch(const struct device_uri *uri)
{
    (void)uri;
    return NULL;
}

bool arrival_wait(struct arrival *self, unsigned timeout_ms)
{
    (void)self;
    host_clock_sleep(timeout_ms);
    return false;
}

void arrival_end(struct arrival *self)
{
    (void)self;
}

/* ---- The cable ---- */

struct cable {
    struct transport transport;
    uint32_t generation; /* of the board's port when it was opened */
};

static void dies(void)
{
    if (!host.alive)
        return;
    host.alive = false;
    disk_kill(host.disk);
    if (host.at_death != NULL)
        host.at_death(&host);
}

/* One call of the cable; false: the host is dead. */
static bool call(void)
{
    if (host.alive && ++host.calls == host.die_at_call)
        dies();
    return host.alive;
}

/* A connection ends with the plug, the board's power, or a later connection. */
static bool connected(const struct cable *cable)
{
    const struct sim *sim = host.sim;
    if (!sim->plugged)
        return false;
    return host.cable == HOST_SERIAL || (sim->powered && sim->generation == cable->generation);
}

static int cable_read(struct transport *transport, uint8_t *bytes, size_t capacity)
{
    const struct cable *cable = (const struct cable *)transport;
    if (!call())
        return -1;
    size_t got = sim_wire_take(&host.sim->to_host, bytes, capacity);
    if (got > 0)
        return (int)got;
    return connected(cable) ? 0 : -1;
}

static int cable_write(struct transport *transport, const uint8_t *bytes, size_t size)
{
    const struct cable *cable = (const struct cable *)transport;
    if (!call() || !connected(cable))
        return -1;
    if (host.sim->powered)
        sim_wire_put(host.sim, &host.sim->to_board, bytes, size);
    return (int)size;
}

static int cable_wait(struct transport *transport, bool want_write, unsigned timeout_ms)
{
    const struct cable *cable = (const struct cable *)transport;
    struct sim *sim = host.sim;
    mono_ms until = sim->now + timeout_ms;
    if (!call())
        return -1;
    if (want_write)
        return 1;
    while (sim->to_host.start == sim->to_host.end && sim->now < until) {
        sim_turn(sim, until);
        if (!connected(cable))
            return sim->to_host.start == sim->to_host.end ? -1 : 1;
    }
    return sim->to_host.start == sim->to_host.end ? 0 : 1;
}

static void cable_close(struct transport *transport)
{
    free(transport);
}

static const struct transport_operations tcp_operations = {.read = cable_read,
                                                           .write = cable_write,
                                                           .wait = cable_wait,
                                                           .close = cable_close,
                                                           .faithful = true};
static const struct transport_operations serial_operations = {.read = cable_read,
                                                              .write = cable_write,
                                                              .wait = cable_wait,
                                                              .close = cable_close,
                                                              .faithful = false};

static int open_cable(const struct transport_operations *operations, unsigned timeout_ms,
                      struct transport **out, kkt_error *error)
{
    struct sim *sim = host.sim;
    bool there = call() && sim->plugged && (sim->powered || operations == &serial_operations);
    if (!there) {
        if (host.alive)
            sim_run(sim, timeout_ms < 20 ? timeout_ms : 20);
        return fault_set(error, ERROR_LINK_LOST, "nobody there");
    }
    struct cable *cable = calloc(1, sizeof *cable);
    CHECK(cable != NULL, "harness: out of memory");
    cable->transport.operations = operations;
    sim_reconnect(sim);
    cable->generation = sim->generation;
    *out = &cable->transport;
    return KKT_OK;
}

int transport_tcp_open(const struct device_uri *uri, unsigned timeout_ms, struct transport **out,
                       kkt_error *error)
{
    (void)uri;
    return open_cable(&tcp_operations, timeout_ms, out, error);
}

int transport_serial_open(const struct device_uri *uri, struct transport **out, kkt_error *error)
{
    (void)uri;
    return open_cable(&serial_operations, 20, out, error);
}

/* ---- Life and death ---- */

static void at_step(void *user, enum queue_step step)
{
    (void)user;
    (void)step;
    if (host.alive && ++host.steps == host.die_at_step)
        dies();
}

void host_create(struct sim *sim, enum host_cable cable)
{
    memset(&host, 0, sizeof host);
    host.sim = sim;
    host.cable = cable;
    host_random_bind(&sim->dice);
    host.disk = disk_create(true);
    CHECK(host.disk != NULL && host_lock_handles() == 0, "harness: no disk for the host");
}

void host_destroy(void)
{
    host_stop();
    disk_destroy(host.disk);
    host.disk = NULL;
    host_random_bind(NULL);
}

void host_format(void)
{
    CHECK(host.queue == NULL, "harness: the host is on");
    disk_format(host.disk);
    host.machine_starts = 0;
    host.steps = host.die_at_step = host.calls = host.die_at_call = 0;
    host.calendar_jump = 0;
    host.at_death = NULL;
}

int host_start(kkt_error *error)
{
    static const char *const uris[] = {"tcp:board:7700", "serial:/dev/board"};
    CHECK(host.queue == NULL && host.device == NULL, "harness: the host is on");
    host.alive = true;
    host.sim->driver_holds = true;
    disk_set_time(host.disk, host_clock_unix_s());
    int result = kkt_queue_open(QUEUE_PATH, &host.queue, error);
    if (result == KKT_OK) {
        queue_set_step_hook(host.queue, at_step, NULL);
        result = kkt_open_lazy(uris[host.cable], NULL, &host.device, error);
    }
    return result;
}

static void close_all(void)
{
    kkt_close(host.device);
    kkt_queue_close(host.queue);
    host.device = NULL;
    host.queue = NULL;
    host.alive = false;
    host.sim->driver_holds = false;
}

void host_stop(void)
{
    if (host.disk != NULL && (host.queue != NULL || host.device != NULL))
        close_all();
}

void host_die(void)
{
    dies();
}

void host_bury(enum disk_crash_kind kind, uint32_t seed)
{
    CHECK(!host.alive, "harness: the host lives");
    disk_kill(host.disk); /* it may have died before it had a disk to lose */
    close_all();
    host_lock_crash();
    disk_crash(host.disk, kind, seed);
    host.machine_starts += kind == DISK_CRASH_MACHINE;
    host.die_at_step = host.die_at_call = 0;
    host.at_death = NULL;
}

/* ---- Work ---- */

static struct job job;

static void key_of(const struct oracle_job *asked, kkt_key *key)
{
    memcpy(key->bytes, asked->key, sizeof key->bytes);
}

int host_submit(const struct oracle *oracle, uint32_t index, kkt_error *error)
{
    kkt_key key;
    if (host.queue == NULL)
        return ERROR_QUEUE_STORE;
    oracle_job_again(oracle, index, &job);
    key_of(&oracle->jobs[index], &key);
    return kkt_submit(host.queue, &key, (enum kkt_job)job.code, job.body, job.size, error);
}

static bool tell(struct oracle *oracle, uint32_t index, const kkt_result *result)
{
    struct link_result done = {.job = (uint8_t)result->job,
                               .flags = (uint8_t)result->flags,
                               .document = result->document,
                               .fiscal_sign = result->fiscal_sign,
                               .time = (unix_s)result->time,
                               .shift = (uint16_t)result->shift,
                               .receipt = (uint16_t)result->receipt,
                               .total_kop = (uint64_t)result->total_kop};
    memcpy(done.key, result->key.bytes, KEY_SIZE);
    if (result->state == KKT_JOB_DONE)
        oracle_answered(oracle, index, ERROR_NONE, &done);
    else if (result->state == KKT_JOB_REFUSED)
        oracle_answered(oracle, index, (uint16_t)result->error.code, NULL);
    else
        return false;
    return true;
}

bool host_report(struct oracle *oracle, uint32_t index)
{
    kkt_key key;
    kkt_result result;
    kkt_error error;
    if (!host.alive)
        return false;
    key_of(&oracle->jobs[index], &key);
    if (kkt_find(host.queue, &key, &result, &error) != KKT_OK || !host.alive)
        return false;
    return tell(oracle, index, &result);
}

bool host_do(struct oracle *oracle, uint32_t index, unsigned timeout_ms)
{
    kkt_key key;
    kkt_result result;
    kkt_error error;
    key_of(&oracle->jobs[index], &key);
    oracle_asked_again(oracle, index);
    int code = host_submit(oracle, index, &error);
    if (code == KKT_OK)
        code = kkt_wait(host.queue, host.device, &key, timeout_ms, &result, &error);
    if (check_verbose)
        fprintf(stderr, "  host: job %u (%s, %llu kopecks): %d %s%s\n", index,
                job_name(oracle->jobs[index].code),
                (unsigned long long)oracle->jobs[index].total_kop, code, error.name,
                host.alive ? "" : " (dead)");
    /* A dead host tells nobody, not even what it had just read. */
    if (host.alive && code == KKT_OK && tell(oracle, index, &result))
        return true;
    oracle_left_without_answer(oracle, index);
    return false;
}
