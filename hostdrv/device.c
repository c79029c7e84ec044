#include "hostdrv/device.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostdrv/clock.h"
#include "hostdrv/fault.h"
#include "proto/cp866.h"
#include "proto/rare.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define READ_CHUNK_BYTES 4096u
#define READ_ROUNDS_MAX  16u /* then time is looked at again, however much arrives */

void device_string(const uint8_t *tlv, size_t size, uint16_t tag, char *out, size_t capacity)
{
    struct tlv found;
    out[0] = '\0';
    if (tlv_find(tlv, size, tag, &found) != 1)
        return;
    size_t length = found.length;
    while (length > 0 && found.value[length - 1] == ' ')
        length--;
    cp866_to_utf8(found.value, length, out, capacity);
}

void device_release(struct kkt *device)
{
    if (device->transport != NULL)
        device->transport->operations->close(device->transport);
    device->transport = NULL;
    link_client_abandon(&device->client);
}

void device_drop(struct kkt *device)
{
    device_release(device);
    reconnect_dropped(&device->reconnect, host_clock_ms(), device->client.event_count);
}

static int lost(struct kkt *device, kkt_error *error)
{
    device_drop(device);
    return fault_set(error, ERROR_LINK_LOST, NULL);
}

/* 1: all gone; 0: the transport takes no more now; -1: dead. */
static int write_out(struct kkt *device)
{
    for (;;) {
        const uint8_t *bytes;
        size_t size = link_client_output(&device->client, &bytes);
        if (size == 0)
            return 1;
        int sent = device->transport->operations->write(device->transport, bytes, size);
        if (sent <= 0)
            return sent;
        device->bytes_sent += (uint64_t)sent;
        link_client_sent(&device->client, (size_t)sent, host_clock_ms());
    }
}

static bool read_in(struct kkt *device)
{
    uint8_t chunk[READ_CHUNK_BYTES];
    for (unsigned round = 0; round < READ_ROUNDS_MAX; round++) {
        int got = device->transport->operations->read(device->transport, chunk, sizeof chunk);
        if (got < 0)
            return false;
        if (got == 0)
            break;
        device->bytes_received += (uint64_t)got;
        device->heard_ms = host_clock_ms();
        link_client_input(&device->client, chunk, (size_t)got, device->heard_ms);
        if ((size_t)got < sizeof chunk)
            break;
    }
    return true;
}

int device_flush(struct kkt *device, kkt_error *error)
{
    return write_out(device) < 0 ? lost(device, error) : KKT_OK;
}

int device_pump(struct kkt *device, uint64_t until_ms, kkt_error *error)
{
    bool was_waiting = device->client.state == LINK_CLIENT_WAITING;
    int written = write_out(device);
    if (written < 0 || RARE("driver: the connection breaks"))
        return lost(device, error);
    uint64_t wake_ms = link_client_deadline(&device->client);
    if (until_ms < wake_ms)
        wake_ms = until_ms;
    uint64_t now_ms = host_clock_ms();
    uint64_t left_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
    int ready = device->transport->operations->wait(device->transport, written == 0,
                                                    left_ms < 60000 ? (unsigned)left_ms : 60000u);
    /* An answer that came with the last gasp of the connection still counts. */
    bool alive = read_in(device) && ready >= 0;
    link_client_tick(&device->client, host_clock_ms());
    if (device->client.state == LINK_CLIENT_ANSWERED && device->client.code != LINK_IDENTITY)
        reconnect_useful(&device->reconnect);
    bool answered = was_waiting && device->client.state == LINK_CLIENT_ANSWERED;
    if (!alive && !answered)
        return lost(device, error);
    return KKT_OK;
}

int device_ask(struct kkt *device, uint8_t code, const uint8_t *message, size_t size,
               unsigned timeout_ms, const struct link_client_answer **out, kkt_error *error)
{
    link_client_request(&device->client, code, message, size, timeout_ms, host_clock_ms());
    while (device->client.state == LINK_CLIENT_WAITING) {
        int result = device_pump(device, UINT64_MAX, error);
        if (result != KKT_OK)
            return result;
    }
    if (device->client.state == LINK_CLIENT_TIMED_OUT) {
        device_drop(device);
        return fault_set(error, ERROR_LINK_LOST, "the board did not answer within %u ms",
                         timeout_ms);
    }
    const struct link_client_answer *answer = link_client_result(&device->client);
    if (out != NULL)
        *out = answer;
    return answer->refusal.code == ERROR_NONE ? KKT_OK : fault_refusal(error, &answer->refusal);
}

static void read_identity(const uint8_t *tlv, size_t size, kkt_identity *out)
{
    uint8_t value;
    uint32_t limit;
    memset(out, 0, sizeof *out);
    device_string(tlv, size, TAG_BOARD_SERIAL, out->serial, sizeof out->serial);
    device_string(tlv, size, TAG_BOARD_MODEL, out->model, sizeof out->model);
    device_string(tlv, size, TAG_FIRMWARE_VERSION, out->firmware, sizeof out->firmware);
    device_string(tlv, size, TAG_FN_NUMBER, out->fn_number, sizeof out->fn_number);
    device_string(tlv, size, TAG_KKT_REGISTRATION_NUMBER, out->registration_number,
                  sizeof out->registration_number);
    device_string(tlv, size, TAG_USER_INN, out->inn, sizeof out->inn);
    device_string(tlv, size, TAG_FNS_SITE, out->fns_site, sizeof out->fns_site);
    if (tlv_find_u8(tlv, size, TAG_REGISTERED_FFD, &value))
        out->ffd = value;
    if (tlv_find_u8(tlv, size, TAG_TAX_SYSTEMS, &value))
        out->tax_systems = value;
    if (tlv_find_u8(tlv, size, TAG_PAPER_COLUMNS, &value))
        out->columns = value;
    out->request_max = tlv_find_u32(tlv, size, TAG_MESSAGE_MAX, &limit) ? limit : LINK_MESSAGE_MAX;
}

int device_identify(struct kkt *device, unsigned timeout_ms, kkt_error *error)
{
    const struct link_client_answer *answer = NULL;
    int result = device_ask(device, LINK_IDENTITY, NULL, 0, timeout_ms, &answer, error);
    if (result != KKT_OK) {
        device_drop(device);
        return result;
    }
    assert(answer != NULL);
    kkt_identity identity;
    read_identity(answer->body, answer->size, &identity);
    if (identity.serial[0] == '\0') {
        device_drop(device);
        return fault_set(error, ERROR_LINK_LOST,
                         "the device behind this address has no serial "
                         "number");
    }
    if (device->expected_serial[0] != '\0' &&
        strcmp(device->expected_serial, identity.serial) != 0) {
        device_drop(device);
        return fault_set(error, ERROR_OTHER_DEVICE, "board %s answers, %s was expected",
                         identity.serial, device->expected_serial);
    }
    device->identity = identity;
    device->identity_cursor = device->client.event_count;
    device->identity_stale = false;
    return KKT_OK;
}

bool device_identity_stale(struct kkt *device)
{
    struct link_client_event event;
    while (link_client_event_next(&device->client, &device->identity_cursor, &event))
        device->identity_stale = device->identity_stale || event.code == LINK_EVENT_STARTED;
    return device->identity_stale;
}

int device_connect_once(struct kkt *device, unsigned timeout_ms, kkt_error *error)
{
    if (device->transport != NULL)
        return KKT_OK;
    reconnect_trying(&device->reconnect);
    int result = transport_open(&device->uri, timeout_ms, &device->transport, error);
    if (result == KKT_OK) {
        link_client_reset(&device->client);
        result = device_identify(device, timeout_ms, error);
    } else {
        device->transport = NULL;
    }
    if (result != KKT_OK) {
        reconnect_failed(&device->reconnect, host_clock_ms(), device->client.event_count);
        return result;
    }
    device->connections++;
    reconnect_connected(&device->reconnect, host_clock_ms(), device->client.event_count);
    arrival_end(device->arrival);
    device->arrival = NULL;
    return KKT_OK;
}

/* Waits for the next attempt's turn; false when it comes too late. */
static bool wait_turn(struct kkt *device, uint64_t deadline_ms)
{
    struct reconnect *reconnect = &device->reconnect;
    for (;;) {
        uint64_t now_ms = host_clock_ms();
        if (reconnect_due(reconnect, now_ms))
            return true;
        if (now_ms >= deadline_ms)
            return false;
        uint64_t wake_ms = reconnect->next_ms < deadline_ms ? reconnect->next_ms : deadline_ms;
        if (device->arrival == NULL)
            device->arrival = arrival_watch(&device->uri);
        if (arrival_wait(device->arrival, (unsigned)(wake_ms - now_ms)))
            reconnect_arrived(reconnect, host_clock_ms());
    }
}

int device_connect(struct kkt *device, uint64_t deadline_ms, unsigned attempts_max,
                   kkt_error *error)
{
    if (device->transport != NULL)
        return KKT_OK;
    int result = fault_set(error, ERROR_LINK_LOST, NULL);
    for (unsigned attempt = 0; attempts_max == 0 || attempt < attempts_max; attempt++) {
        if (!wait_turn(device, deadline_ms))
            break;
        uint64_t now_ms = host_clock_ms();
        uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        unsigned timeout_ms = device->connect_timeout_ms;
        if (left_ms < timeout_ms)
            timeout_ms = left_ms > 0 ? (unsigned)left_ms : 1;
        result = device_connect_once(device, timeout_ms, error);
        if ((result != ERROR_LINK_LOST && result != ERROR_LINK_BUSY) ||
            host_clock_ms() >= deadline_ms)
            break;
    }
    return result;
}

int device_query(struct kkt *device, uint8_t code, const uint8_t *message, size_t size,
                 const struct link_client_answer **out, kkt_error *error)
{
    bool was_open = device->transport != NULL;
    int result = ERROR_LINK_LOST;
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        result = device_connect_once(device, device->connect_timeout_ms, error);
        if (result != KKT_OK)
            return result;
        if (device_identity_stale(device))
            result = device_identify(device, device->connect_timeout_ms, error);
        if (result == KKT_OK)
            result = device_ask(device, code, message, size, device->answer_timeout_ms, out, error);
        /* A connection that broke while nobody looked is found out only by the next request. */
        if (device->transport != NULL || !was_open)
            break;
    }
    return result;
}

static int new_device(const char *uri, const kkt_options *options, kkt **out, kkt_error *error)
{
    struct device_uri parsed;
    int result = device_uri_parse(uri, &parsed, error);
    if (result != KKT_OK)
        return result;
    kkt *device = calloc(1, sizeof *device);
    kkt_key seed;
    if (device == NULL || kkt_key_random(&seed) != KKT_OK) {
        free(device);
        return fault_set(error, ERROR_INTERNAL, "out of memory or of random numbers");
    }
    device->uri = parsed;
    device->connect_timeout_ms = DEVICE_CONNECT_TIMEOUT_MS;
    device->answer_timeout_ms = DEVICE_ANSWER_TIMEOUT_MS;
    device->silence_ms = RECONNECT_SILENCE_MS;
    reconnect_init(&device->reconnect);
    /* Who is called by number has to be it. */
    if (parsed.scheme == DEVICE_URI_USB || parsed.scheme == DEVICE_URI_NUMBER)
        snprintf(device->expected_serial, sizeof device->expected_serial, "%.20s", parsed.place);
    if (options != NULL) {
        if (options->connect_timeout_ms != 0)
            device->connect_timeout_ms = options->connect_timeout_ms;
        if (options->answer_timeout_ms != 0)
            device->answer_timeout_ms = options->answer_timeout_ms;
        if (options->silence_ms != 0)
            device->silence_ms = options->silence_ms;
        if (options->expected_serial != NULL)
            snprintf(device->expected_serial, sizeof device->expected_serial, "%s",
                     options->expected_serial);
    }
    link_client_init(&device->client, get_u16le(seed.bytes));
    *out = device;
    return KKT_OK;
}

int kkt_open_lazy(const char *uri, const kkt_options *options, kkt **out, kkt_error *error)
{
    *out = NULL;
    int result = new_device(uri, options, out, error);
    return result == KKT_OK ? fault_none(error) : result;
}

int kkt_open(const char *uri, const kkt_options *options, kkt **out, kkt_error *error)
{
    kkt *device = NULL;
    *out = NULL;
    int result = new_device(uri, options, &device, error);
    if (result != KKT_OK)
        return result;
    assert(device != NULL);
    result = device_connect_once(device, device->connect_timeout_ms, error);
    if (result != KKT_OK) {
        kkt_close(device);
        return result;
    }
    *out = device;
    return fault_none(error);
}

void kkt_close(kkt *device)
{
    if (device == NULL)
        return;
    device_release(device);
    arrival_end(device->arrival);
    free(device);
}
