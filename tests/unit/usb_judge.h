/* Judges what a USB device tells about itself by the rules of USB 2.0 (chapter 9), the Interface
 * Association ECN, CDC 1.2 and PSTN 1.2, and the Microsoft OS 2.0 Descriptors Specification. It
 * knows nothing of firmware/usb_descriptors.c. usb_judge returns NULL, or the first thing that is
 * wrong.
 */
#ifndef TESTS_UNIT_USB_JUDGE_H
#define TESTS_UNIT_USB_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define USB_TOLD_STRINGS 8u

struct usb_told {
    uint8_t device[256], configuration[512], bos[512], os[512];
    size_t device_size, configuration_size, bos_size, os_size;
    uint8_t strings[USB_TOLD_STRINGS][256];
    size_t string_sizes[USB_TOLD_STRINGS]; /* 0: there is none */
};

static inline unsigned usb_u16(const uint8_t *bytes)
{
    return bytes[0] | (unsigned)bytes[1] << 8;
}

/* A string descriptor as ASCII. */
static inline void usb_told_text(const struct usb_told *told, unsigned index, char *text)
{
    size_t size = told->string_sizes[index];
    size_t count = 0;
    for (size_t i = 2; i + 1 < size; i += 2)
        text[count++] = (char)told->strings[index][i];
    text[count] = '\0';
}

static inline bool usb_string_is(const struct usb_told *told, unsigned index, bool needed)
{
    if (index == 0)
        return !needed;
    return index < USB_TOLD_STRINGS && told->string_sizes[index] > 2 &&
           told->string_sizes[index] == told->strings[index][0] && told->strings[index][1] == 3 &&
           told->string_sizes[index] % 2 == 0;
}

#define USB_JUDGE(condition, text)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return text;                                                                           \
    } while (0)

static inline const char *usb_judge_device(const struct usb_told *told)
{
    const uint8_t *d = told->device;
    USB_JUDGE(told->device_size == 18 && d[0] == 18 && d[1] == 1, "device: length and type");
    USB_JUDGE(usb_u16(d + 2) >= 0x0201 && usb_u16(d + 2) <= 0x0210, "device: a BOS needs 2.01");
    USB_JUDGE(d[4] == 0xEF && d[5] == 2 && d[6] == 1, "device: class of associations");
    USB_JUDGE(d[7] == 8 || d[7] == 16 || d[7] == 32 || d[7] == 64, "device: bMaxPacketSize0");
    USB_JUDGE(d[17] == 1, "device: configurations");
    USB_JUDGE(usb_string_is(told, d[14], true) && usb_string_is(told, d[15], true) &&
                  usb_string_is(told, d[16], true),
              "device: strings");
    USB_JUDGE(told->string_sizes[0] == 4 && told->strings[0][1] == 3 &&
                  usb_u16(told->strings[0] + 2) == 0x0409,
              "languages");
    return NULL;
}

/* What the walk over the configuration has seen. */
struct usb_walk {
    unsigned interfaces, endpoints_due;
    unsigned association_first, association_count, association_class;
    uint8_t classes[8][3];
    bool used[2][16];
    unsigned functional; /* CDC descriptors of the interface at hand */
    bool acm, united, calls;
    unsigned master, slave, calls_over;
};

static inline const char *usb_judge_interface(const struct usb_told *told, struct usb_walk *walk,
                                              const uint8_t *d)
{
    USB_JUDGE(d[0] == 9, "interface: length");
    USB_JUDGE(walk->endpoints_due == 0, "interface: the one before has fewer endpoints than told");
    USB_JUDGE(d[2] == walk->interfaces && walk->interfaces < 8, "interface: number");
    USB_JUDGE(d[3] == 0, "interface: alternate setting");
    USB_JUDGE(usb_string_is(told, d[8], false), "interface: string");
    memcpy(walk->classes[walk->interfaces], d + 5, 3);
    walk->endpoints_due = d[4];
    walk->interfaces++;
    walk->functional = 0;
    return NULL;
}

static inline const char *usb_judge_endpoint(struct usb_walk *walk, const uint8_t *d)
{
    unsigned number = d[2] & 15, way = d[2] >> 7;
    USB_JUDGE(d[0] == 7, "endpoint: length");
    USB_JUDGE(walk->interfaces > 0 && walk->endpoints_due > 0, "endpoint: more than told");
    USB_JUDGE(number != 0 && (d[2] & 0x70) == 0, "endpoint: address");
    USB_JUDGE(!walk->used[way][number], "endpoint: address twice");
    walk->used[way][number] = true;
    walk->endpoints_due--;
    switch (d[3]) {
    case 2: /* bulk at full speed: 5.8.3 */
        USB_JUDGE(usb_u16(d + 4) == 8 || usb_u16(d + 4) == 16 || usb_u16(d + 4) == 32 ||
                      usb_u16(d + 4) == 64,
                  "endpoint: bulk packet");
        return NULL;
    case 3:
        USB_JUDGE(usb_u16(d + 4) >= 1 && usb_u16(d + 4) <= 64, "endpoint: interrupt packet");
        USB_JUDGE(d[6] != 0, "endpoint: interval");
        return NULL;
    default:
        return "endpoint: neither bulk nor interrupt";
    }
}

/* CDC 1.2, 5.2.3: the header first, then the others. */
static inline const char *usb_judge_functional(struct usb_walk *walk, const uint8_t *d)
{
    USB_JUDGE(walk->interfaces > 0 && walk->classes[walk->interfaces - 1][0] == 2,
              "functional descriptor: not of a CDC control interface");
    USB_JUDGE((walk->functional == 0) == (d[2] == 0), "functional descriptor: the header is first");
    walk->functional++;
    switch (d[2]) {
    case 0:
        USB_JUDGE(d[0] == 5 && usb_u16(d + 3) >= 0x0110, "CDC header");
        return NULL;
    case 1:
        USB_JUDGE(d[0] == 5, "CDC calls: length");
        walk->calls = true;
        walk->calls_over = d[4];
        return NULL;
    case 2:
        USB_JUDGE(d[0] == 4 && (d[3] & 2) != 0, "CDC ACM: line requests");
        walk->acm = true;
        return NULL;
    case 6:
        USB_JUDGE(d[0] == 5, "CDC union: length");
        walk->united = true;
        walk->master = d[3];
        walk->slave = d[4];
        return NULL;
    default:
        return "functional descriptor: unknown";
    }
}

static inline const char *usb_judge_piece(const struct usb_told *told, struct usb_walk *walk,
                                          const uint8_t *d)
{
    switch (d[1]) {
    case 4:
        return usb_judge_interface(told, walk, d);
    case 5:
        return usb_judge_endpoint(walk, d);
    case 11:
        USB_JUDGE(d[0] == 8 && walk->endpoints_due == 0 && walk->association_count == 0,
                  "association: place");
        USB_JUDGE(d[2] == walk->interfaces && usb_string_is(told, d[7], false),
                  "association: first interface");
        walk->association_first = d[2];
        walk->association_count = d[3];
        walk->association_class = d[4] | (unsigned)d[5] << 8;
        return NULL;
    case 0x24:
        return usb_judge_functional(walk, d);
    default:
        return "configuration: unknown descriptor";
    }
}

/* The pair of CDC interfaces, and what ties it together. */
static inline const char *usb_judge_pair(const struct usb_walk *walk)
{
    unsigned first = walk->association_first;
    USB_JUDGE(walk->association_count == 2 && first + 2 <= walk->interfaces, "association: count");
    const uint8_t *control = walk->classes[first], *data = walk->classes[first + 1];
    USB_JUDGE(control[0] == 2 && control[1] == 2 && data[0] == 10 && data[1] == 0,
              "CDC: control and data interface");
    USB_JUDGE(walk->association_class == (control[0] | (unsigned)control[1] << 8),
              "association: class");
    USB_JUDGE(walk->acm && walk->calls && walk->united, "CDC: functional descriptors");
    USB_JUDGE(walk->master == first && walk->slave == first + 1, "CDC: union");
    USB_JUDGE(walk->calls_over == first + 1, "CDC: calls");
    return NULL;
}

static inline const char *usb_judge_configuration(const struct usb_told *told)
{
    const uint8_t *c = told->configuration;
    struct usb_walk walk;
    memset(&walk, 0, sizeof walk);
    USB_JUDGE(told->configuration_size > 9 && c[0] == 9 && c[1] == 2, "configuration: header");
    USB_JUDGE(usb_u16(c + 2) == told->configuration_size, "configuration: wTotalLength");
    USB_JUDGE(c[5] != 0, "configuration: value");
    USB_JUDGE((c[7] & 0x80) != 0 && (c[7] & 0x1F) == 0, "configuration: bmAttributes");
    USB_JUDGE(c[8] <= 250, "configuration: power");
    for (size_t at = 9; at < told->configuration_size; at += c[at]) {
        USB_JUDGE(c[at] >= 2 && c[at] <= told->configuration_size - at, "configuration: length");
        const char *wrong = usb_judge_piece(told, &walk, c + at);
        if (wrong != NULL)
            return wrong;
    }
    USB_JUDGE(walk.endpoints_due == 0, "configuration: endpoints missing");
    USB_JUDGE(walk.interfaces == c[4], "configuration: bNumInterfaces");
    return usb_judge_pair(&walk);
}

static inline const char *usb_judge_os_set(const struct usb_told *told)
{
    const uint8_t *s = told->os;
    USB_JUDGE(told->os_size > 46 && usb_u16(s) == 10 && usb_u16(s + 2) == 0, "OS set: header");
    USB_JUDGE(usb_u16(s + 8) == told->os_size, "OS set: length");
    USB_JUDGE(usb_u16(s + 10) == 8 && usb_u16(s + 12) == 1 && s[14] == 0 &&
                  usb_u16(s + 16) == told->os_size - 10,
              "OS set: configuration");
    USB_JUDGE(usb_u16(s + 18) == 8 && usb_u16(s + 20) == 2 && s[22] < told->configuration[4] &&
                  usb_u16(s + 24) == told->os_size - 18,
              "OS set: function");
    USB_JUDGE(usb_u16(s + 26) == 20 && usb_u16(s + 28) == 3, "OS set: compatible ID");
    USB_JUDGE(memcmp(s + 30, "WINUSB\0\0", 8) == 0, "OS set: WINUSB");
    size_t property = 46, size = usb_u16(s + 46);
    USB_JUDGE(size == told->os_size - property && usb_u16(s + 48) == 4 && usb_u16(s + 50) == 7,
              "OS set: registry property");
    size_t name = usb_u16(s + 52);
    USB_JUDGE(10 + name < size && name % 2 == 0, "OS set: name");
    size_t data = usb_u16(s + 54 + name);
    USB_JUDGE(10 + name + data == size && data % 2 == 0, "OS set: data");
    const uint8_t *end = s + 56 + name + data;
    USB_JUDGE(end[-1] == 0 && end[-2] == 0 && end[-3] == 0 && end[-4] == 0, "OS set: two zeros");
    return NULL;
}

static inline const char *usb_judge_bos(const struct usb_told *told)
{
    static const uint8_t microsoft[16] = {0xDF, 0x60, 0xDD, 0xD8, 0x89, 0x45, 0xC7, 0x4C,
                                          0x9C, 0xD2, 0x65, 0x9D, 0x9E, 0x64, 0x8A, 0x9F};
    const uint8_t *b = told->bos;
    USB_JUDGE(told->bos_size == 33 && b[0] == 5 && b[1] == 15, "BOS: header");
    USB_JUDGE(usb_u16(b + 2) == told->bos_size && b[4] == 1, "BOS: lengths");
    USB_JUDGE(b[5] == 28 && b[6] == 16 && b[7] == 5, "BOS: platform capability");
    USB_JUDGE(memcmp(b + 9, microsoft, sizeof microsoft) == 0, "BOS: platform's name");
    USB_JUDGE(usb_u16(b + 29) == told->os_size, "BOS: length of the OS set");
    return usb_judge_os_set(told);
}

static inline const char *usb_judge(const struct usb_told *told)
{
    const char *wrong = usb_judge_device(told);
    if (wrong == NULL)
        wrong = usb_judge_configuration(told);
    return wrong != NULL ? wrong : usb_judge_bos(told);
}

#endif
