#include "tests/usb/udc_model.h"

#include <string.h>

#define CLEAR_FEATURE     1u
#define SET_ADDRESS       5u
#define SET_CONFIGURATION 9u
#define SET_INTERFACE     11u
#define TO_DEVICE         0u
#define TO_INTERFACE      1u
#define TO_ENDPOINT       2u

static void break_rule(struct udc_model *udc, const char *rule)
{
    if (udc->wrong == NULL)
        udc->wrong = rule;
}

static void interrupt(struct udc_model *udc)
{
    udc->pending = true;
    while (udc->pending && !udc->masked && !udc->in_interrupt && udc->usb != NULL) {
        udc->pending = false;
        udc->in_interrupt = true;
        mcu_usb_interrupt(udc->usb);
        udc->in_interrupt = false;
    }
}

/* ---- what the driver above does ---- */

static struct udc_model *operation(void *context)
{
    struct udc_model *udc = context;
    if (!udc->masked && !udc->in_interrupt)
        break_rule(udc, "an operation while the interrupt may come");
    return udc;
}

static void mask(void *context, bool off)
{
    struct udc_model *udc = context;
    if (udc->masked == off || udc->in_interrupt)
        break_rule(udc, "the mask is set twice, or in the interrupt");
    udc->masked = off;
    if (!off && udc->pending)
        interrupt(udc);
}

static void connect(void *context, bool yes)
{
    struct udc_model *udc = operation(context);
    udc->connected = yes;
}

static unsigned events(void *context)
{
    struct udc_model *udc = operation(context);
    unsigned all = udc->events;
    udc->events = 0;
    return all;
}

static void setup(void *context, uint8_t packet[USB_SETUP_BYTES])
{
    memcpy(packet, operation(context)->setup, USB_SETUP_BYTES);
}

static int receive(void *context, unsigned endpoint, uint8_t packet[USB_PACKET_BYTES])
{
    struct udc_endpoint *out = &operation(context)->out[endpoint];
    if (!out->full)
        return -1;
    out->full = false;
    memcpy(packet, out->packet, out->size);
    return (int)out->size;
}

static void accept(void *context, unsigned endpoint)
{
    struct udc_model *udc = operation(context);
    if (udc->out[endpoint].full)
        break_rule(udc, "armed over a packet that was not taken");
    udc->out[endpoint].armed = true;
}

static bool is_sent(void *context, unsigned endpoint)
{
    return !operation(context)->in[endpoint].full;
}

static void send(void *context, unsigned endpoint, const uint8_t *packet, size_t size)
{
    struct udc_model *udc = operation(context);
    struct udc_endpoint *in = &udc->in[endpoint];
    if (in->full || size > USB_PACKET_BYTES) {
        break_rule(udc, "loaded over a packet, or too much");
        return;
    }
    memcpy(in->packet, packet, size);
    in->size = size;
    in->full = true;
}

static void discard(void *context, unsigned endpoint)
{
    operation(context)->in[endpoint].full = false;
}

static void stall(void *context, unsigned address)
{
    struct udc_model *udc = operation(context);
    unsigned number = address & ~MCU_USB_IN;
    if (number == 0)
        udc->in[0].stalled = udc->out[0].stalled = true;
    else if ((address & MCU_USB_IN) != 0)
        udc->in[number].stalled = true;
    else
        udc->out[number].stalled = true;
}

static void restart(void *context, unsigned address)
{
    struct udc_model *udc = operation(context);
    unsigned number = address & ~MCU_USB_IN;
    struct udc_endpoint *endpoint =
        (address & MCU_USB_IN) != 0 ? &udc->in[number] : &udc->out[number];
    endpoint->stalled = false;
    endpoint->toggle = 0;
}

static void set_address(void *context, unsigned address)
{
    operation(context)->address = address;
}

void udc_init(struct udc_model *udc, struct mcu_usb *usb)
{
    memset(udc, 0, sizeof *udc);
    udc->usb = usb;
    udc->random = 1;
    udc->controller = (struct mcu_usb_controller){
        .context = udc,
        .mask = mask,
        .connect = connect,
        .events = events,
        .setup = setup,
        .receive = receive,
        .accept = accept,
        .is_sent = is_sent,
        .send = send,
        .discard = discard,
        .stall = stall,
        .restart = restart,
        .address = set_address,
    };
}

/* ---- the bus ---- */

static bool lose(struct udc_model *udc)
{
    udc->random = udc->random * 1664525u + 1013904223u;
    bool lost = udc->loss > 0 && (udc->random >> 16) % udc->loss == 0;
    udc->lost += lost;
    return lost;
}

static bool hears(struct udc_model *udc)
{
    bool yes = udc->connected && udc->usb != NULL && udc->address == udc->host_address;
    udc->ignored += !yes;
    return yes;
}

void udc_bus_reset(struct udc_model *udc)
{
    memset(udc->out, 0, sizeof udc->out);
    memset(udc->in, 0, sizeof udc->in);
    memset(udc->host_out, 0, sizeof udc->host_out);
    memset(udc->host_in, 0, sizeof udc->host_in);
    udc->host_address = udc->address = 0;
    udc->events = MCU_USB_RESET;
    if (udc->connected)
        interrupt(udc);
}

void udc_suspend(struct udc_model *udc, bool suspended)
{
    udc->events |= suspended ? MCU_USB_SUSPEND : MCU_USB_RESUME;
    interrupt(udc);
}

/* ---- the host's transactions ---- */

bool udc_setup(struct udc_model *udc, const uint8_t packet[USB_SETUP_BYTES])
{
    memcpy(udc->request, packet, USB_SETUP_BYTES);
    udc->data_stage_in = (packet[0] & MCU_USB_IN) != 0 && (packet[6] | packet[7]) != 0;
    bool again = true;
    while (again) {
        if (!hears(udc))
            return false;
        memcpy(udc->setup, packet, USB_SETUP_BYTES);
        memset(&udc->out[0], 0, sizeof udc->out[0]);
        memset(&udc->in[0], 0, sizeof udc->in[0]);
        udc->out[0].toggle = udc->in[0].toggle = 1;
        udc->events |= MCU_USB_SETUP;
        udc->packets++;
        again = lose(udc);
        if (!again) {
            udc->host_out[0] = udc->host_in[0] = 1;
        }
        interrupt(udc);
    }
    return true;
}

/* A control transfer without data to the host has ended well: what the host's side does with it. */
static void request_done(struct udc_model *udc)
{
    const uint8_t *request = udc->request;
    unsigned number = request[4] & 0x0Fu;
    if (request[0] == TO_DEVICE && request[1] == SET_ADDRESS) {
        udc->host_address = request[2];
    } else if ((request[0] == TO_DEVICE && request[1] == SET_CONFIGURATION) ||
               (request[0] == TO_INTERFACE && request[1] == SET_INTERFACE)) {
        bool all = request[1] == SET_CONFIGURATION;
        for (unsigned i = 1; i < MCU_USB_NUMBERS; i++) { /* interface n has endpoint n + 1 */
            if (all || i == request[4] + 1u)
                udc->host_out[i] = udc->host_in[i] = 0;
        }
    } else if (request[0] == TO_ENDPOINT && request[1] == CLEAR_FEATURE &&
               number < MCU_USB_NUMBERS) {
        if ((request[4] & MCU_USB_IN) != 0)
            udc->host_in[number] = 0;
        else
            udc->host_out[number] = 0;
    }
}

enum usb_reply udc_out(struct udc_model *udc, unsigned endpoint, const uint8_t *data, size_t size)
{
    struct udc_endpoint *out;
    bool again = true;
    if (endpoint >= MCU_USB_NUMBERS)
        return USB_NAK;
    out = &udc->out[endpoint];
    if (endpoint == 0 && udc->data_stage_in)
        udc->host_out[0] = 1; /* status: always DATA1 */
    while (again) {
        if (!hears(udc))
            return USB_NAK;
        if (out->stalled)
            return USB_STALL;
        if (out->toggle == udc->host_out[endpoint]) {
            if (!out->armed || out->full)
                return USB_NAK;
            if (size > 0)
                memcpy(out->packet, data, size);
            out->size = size;
            out->full = true;
            out->armed = false;
            out->toggle ^= 1u;
        } /* else it has come before, and its handshake was lost */
        udc->packets++;
        again = lose(udc);
        interrupt(udc);
    }
    udc->host_out[endpoint] ^= 1u;
    return USB_ACK;
}

enum usb_reply udc_in(struct udc_model *udc, unsigned endpoint, uint8_t *data, size_t *size)
{
    bool fresh = false;
    *size = 0;
    if (endpoint >= MCU_USB_NUMBERS)
        return USB_NAK;
    struct udc_endpoint *in = &udc->in[endpoint];
    bool status = endpoint == 0 && !udc->data_stage_in;
    if (status)
        udc->host_in[0] = 1;
    while (!fresh) {
        if (!hears(udc))
            return USB_NAK;
        if (in->stalled)
            return USB_STALL;
        if (!in->full)
            return USB_NAK;
        fresh = in->toggle == udc->host_in[endpoint];
        if (fresh) { /* else the host has had it: acknowledged again, thrown away */
            memcpy(data, in->packet, in->size);
            *size = in->size;
            udc->host_in[endpoint] ^= 1u;
        }
        udc->packets++;
        bool heard = status || !lose(udc); /* a new address is not lost in these tests */
        if (heard) {
            in->full = false;
            in->toggle ^= 1u;
            if (fresh && status)
                request_done(udc);
            interrupt(udc);
        }
    }
    return USB_ACK;
}
