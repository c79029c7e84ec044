/* The cable of the simulated world, and the thin host at its end: hostdrv's link_client and nothing
 * else of the driver.
 */
#include "tests/world/check.h"
#include "tests/world/sim_internal.h"

/* ---- Cables ---- */

static void wire_push(struct wire *wire, uint8_t byte)
{
    if (wire->end == SIM_WIRE_BYTES && wire->start > 0) {
        memmove(wire->bytes, wire->bytes + wire->start, wire->end - wire->start);
        wire->end -= wire->start;
        wire->start = 0;
    }
    CHECK(wire->end < SIM_WIRE_BYTES, "harness: the wire is full");
    wire->bytes[wire->end++] = byte;
}

/* One byte with its fault. */
static void wire_pass(struct sim *sim, struct wire *wire, uint8_t byte)
{
    enum wire_fault fault = WIRE_GOOD;
    uint8_t argument = wire->argument;
    wire->passed++;
    if (wire->passed == wire->at) {
        fault = wire->fault;
    } else if (sim_once_in(sim, wire->chance)) {
        fault = (enum wire_fault)(WIRE_LOSE + sim_below(sim, 4));
        argument = (uint8_t)sim_random(sim);
    }
    switch (fault) {
    case WIRE_LOSE:
        return;
    case WIRE_DOUBLE:
        wire_push(wire, byte);
        break;
    case WIRE_INSERT:
        wire_push(wire, argument);
        break;
    case WIRE_FLIP:
        byte = (uint8_t)(byte ^ (1u << (argument & 7u)));
        break;
    case WIRE_UNPLUG:
        sim_plug(sim, false);
        return;
    case WIRE_GOOD:
        break;
    }
    wire_push(wire, byte);
}

void sim_wire_put(struct sim *sim, struct wire *wire, const uint8_t *bytes, size_t size)
{
    if (wire->at == 0 && wire->chance == 0) {
        wire->passed += size;
        if (!sim->plugged)
            return;
        if (wire->start == wire->end)
            wire->start = wire->end = 0;
        if (SIM_WIRE_BYTES - wire->end >= size) {
            memcpy(wire->bytes + wire->end, bytes, size);
            wire->end += size;
            return;
        }
        for (size_t i = 0; i < size; i++)
            wire_push(wire, bytes[i]);
        return;
    }
    for (size_t i = 0; i < size && sim->plugged; i++)
        wire_pass(sim, wire, bytes[i]);
}

size_t sim_wire_take(struct wire *wire, uint8_t *bytes, size_t capacity)
{
    size_t count = wire->end - wire->start;
    if (count > capacity)
        count = capacity;
    memcpy(bytes, wire->bytes + wire->start, count);
    wire->start += count;
    if (wire->start == wire->end)
        wire->start = wire->end = 0;
    return count;
}

void sim_wire_empty(struct wire *wire)
{
    wire->start = wire->end = 0;
}

void sim_wire_clear(struct sim *sim)
{
    sim_wire_empty(&sim->to_board);
    sim_wire_empty(&sim->to_host);
    sim->to_board.passed = sim->to_host.passed = 0;
    sim->to_board.at = sim->to_host.at = 0;
    sim->to_board.fault = sim->to_host.fault = WIRE_GOOD;
    sim->to_board.chance = sim->to_host.chance = 0;
}

void sim_reconnect(struct sim *sim)
{
    sim->generation++;
    sim_wire_empty(&sim->to_board);
    sim_wire_empty(&sim->to_host);
}

void sim_plug(struct sim *sim, bool plugged)
{
    if (!plugged)
        sim->unplugged_since = sim->now;
    sim->plugged = plugged;
    sim->generation++;
    sim_wire_empty(&sim->to_board);
    sim_wire_empty(&sim->to_host);
}

/* ---- The thin host ---- */

void sim_pump_host(struct sim *sim)
{
    const uint8_t *bytes;
    uint8_t chunk[512];
    size_t size;
    while ((size = link_client_output(&sim->client, &bytes)) > 0) {
        sim_wire_put(sim, &sim->to_board, bytes, size);
        link_client_sent(&sim->client, size, sim->now);
    }
    while ((size = sim_wire_take(&sim->to_host, chunk, sizeof chunk)) > 0)
        link_client_input(&sim->client, chunk, size, sim->now);
    struct link_client_event event;
    while (link_client_event_next(&sim->client, &sim->events_seen, &event)) {
        sim->printed_events += event.code == LINK_EVENT_PRINTED;
        sim->confirmed_events += event.code == LINK_EVENT_CONFIRMED;
        if (event.code == LINK_EVENT_CONFIRMED && event.document > sim->confirmed_told)
            sim->confirmed_told = event.document;
        sim->started_events += event.code == LINK_EVENT_STARTED;
    }
}

enum sim_asked sim_ask(struct sim *sim, uint8_t code, const uint8_t *message, size_t size,
                       uint32_t timeout_ms)
{
    struct link_client *client = &sim->client;
    link_client_request(client, code, message, size, timeout_ms, sim->now);
    for (;;) {
        sim_pump_host(sim);
        if (link_client_tick(client, sim->now) != LINK_CLIENT_WAITING)
            break;
        if (!sim->powered) {
            link_client_abandon(client);
            return SIM_POWER_LOST;
        }
        sim_turn(sim, link_client_deadline(client));
    }
    return client->state == LINK_CLIENT_ANSWERED ? SIM_ANSWERED : SIM_NO_ANSWER;
}

enum sim_asked sim_ask_job(struct sim *sim, uint8_t code, const uint8_t key[KEY_SIZE],
                           const uint8_t *body, size_t size, uint32_t timeout_ms)
{
    uint8_t message[LINK_MESSAGE_MAX];
    struct byte_writer writer;
    struct link_job job = {.device_tag = link_device_tag(SIM_SERIAL), .body = body, .size = size};
    memcpy(job.key, key, KEY_SIZE);
    byte_writer_init(&writer, message, sizeof message);
    link_job_put(&writer, &job);
    CHECK(byte_writer_ok(&writer), "harness: the job is too large");
    return sim_ask(sim, code, message, writer.length, timeout_ms);
}
