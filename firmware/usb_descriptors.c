#include "firmware/usb_descriptors.h"

#include <assert.h>

#include "proto/usb_link.h"

/* Descriptor types: USB 2.0 table 9-5, USB 3.2 table 9-6 (BOS), CDC 1.2 table 12. */
enum {
    TYPE_DEVICE = 1,
    TYPE_CONFIGURATION = 2,
    TYPE_STRING = 3,
    TYPE_INTERFACE = 4,
    TYPE_ENDPOINT = 5,
    TYPE_ASSOCIATION = 11,
    TYPE_BOS = 15,
    TYPE_CAPABILITY = 16,
    TYPE_CLASS_INTERFACE = 0x24
};
enum string_index {
    STRING_LANGUAGES,
    STRING_MANUFACTURER,
    STRING_PRODUCT,
    STRING_SERIAL,
    STRING_LINK,
    STRING_PORT
};

#define ENGLISH_US          0x0409u
#define USB_VERSION         0x0210u /* 2.0 with a BOS, which 2.01 and later ask for */
#define CLASS_MIXED         0xEFu   /* interface association: 2, 1 */
#define CLASS_CDC           0x02u
#define CLASS_CDC_DATA      0x0Au
#define SUBCLASS_ACM        0x02u
#define SELF_POWERED        0xC0u
#define UNIT_LOADS_100_MA   50u /* of 2 mA */
#define BULK                2u
#define INTERRUPT           3u
#define EVENT_EVERY_MS      16u
#define CDC_VERSION         0x0120u
#define CDC_HEADER          0x00u
#define CDC_CALLS           0x01u
#define CDC_ACM             0x02u
#define CDC_UNION           0x06u
#define ACM_LINE_REQUESTS   0x02u /* Set_Line_Coding, Set_Control_Line_State, Get_Line_Coding */
#define CAPABILITY_PLATFORM 5u
#define WINDOWS_8_1         0x06030000u
#define OS_SET_HEADER       0u
#define OS_CONFIGURATION    1u
#define OS_FUNCTION         2u
#define OS_COMPATIBLE       3u
#define OS_REGISTRY         4u
#define REGISTRY_MULTI_SZ   7u

#define DEVICE_BYTES      18u
#define INTERFACE_BYTES   9u
#define ENDPOINT_BYTES    7u
#define ASSOCIATION_BYTES 8u
#define CDC_BYTES         (5u + 5u + 4u + 5u)
#define CAPABILITY_BYTES  28u

_Static_assert(USB_CONFIGURATION_BYTES == 9u + USB_INTERFACES * INTERFACE_BYTES +
                                              5u * ENDPOINT_BYTES + ASSOCIATION_BYTES + CDC_BYTES,
               "wTotalLength");
_Static_assert(USB_BOS_BYTES == 5u + CAPABILITY_BYTES, "wTotalLength of the BOS");

/* The name that Windows looks for, and the class of devices that a program there asks for. */
static const char guids_name[] = "DeviceInterfaceGUIDs";
static const char guids[] = "{6B7B6E4A-52C0-4F0D-9E6B-3C1D0A54B1C7}";

#define UTF16(text)            (2u * (unsigned)sizeof(text)) /* with its zero */
#define REGISTRY_BYTES         (10u + UTF16(guids_name) + UTF16(guids) + 2u)
#define COMPATIBLE_BYTES       20u
#define FUNCTION_BYTES         (8u + COMPATIBLE_BYTES + REGISTRY_BYTES)
#define OS_CONFIGURATION_BYTES (8u + FUNCTION_BYTES)

_Static_assert(USB_OS_SET_BYTES == 10u + OS_CONFIGURATION_BYTES, "wTotalLength of the OS set");
_Static_assert(USB_OS_SET_BYTES <= USB_ANSWER_MAX && USB_CONFIGURATION_BYTES <= USB_ANSWER_MAX &&
                   2u + 2u * USB_STRING_CHARS <= USB_ANSWER_MAX,
               "every answer fits");

static void put_device(const struct usb_identity *identity, struct byte_writer *out)
{
    put_u8(out, DEVICE_BYTES);
    put_u8(out, TYPE_DEVICE);
    put_u16le(out, USB_VERSION);
    put_u8(out, CLASS_MIXED);
    put_u8(out, 2);
    put_u8(out, 1);
    put_u8(out, USB_PACKET_BYTES);
    put_u16le(out, USB_LINK_VENDOR_ID);
    put_u16le(out, USB_LINK_PRODUCT_ID);
    put_u16le(out, (uint16_t)identity->release);
    put_u8(out, STRING_MANUFACTURER);
    put_u8(out, STRING_PRODUCT);
    put_u8(out, STRING_SERIAL);
    put_u8(out, 1); /* configurations */
}

static void put_interface(struct byte_writer *out, uint8_t number, uint8_t endpoints, uint8_t class,
                          uint8_t subclass, uint8_t protocol, uint8_t name)
{
    put_u8(out, INTERFACE_BYTES);
    put_u8(out, TYPE_INTERFACE);
    put_u8(out, number);
    put_u8(out, 0); /* alternate setting */
    put_u8(out, endpoints);
    put_u8(out, class);
    put_u8(out, subclass);
    put_u8(out, protocol);
    put_u8(out, name);
}

static void put_endpoint(struct byte_writer *out, uint8_t address, uint8_t kind, uint16_t packet,
                         uint8_t interval)
{
    put_u8(out, ENDPOINT_BYTES);
    put_u8(out, TYPE_ENDPOINT);
    put_u8(out, address);
    put_u8(out, kind);
    put_u16le(out, packet);
    put_u8(out, interval);
}

/* CDC 1.2, 5.2.3, and PSTN 1.2, 5.3. */
static void put_cdc(struct byte_writer *out)
{
    put_u8(out, 5);
    put_u8(out, TYPE_CLASS_INTERFACE);
    put_u8(out, CDC_HEADER);
    put_u16le(out, CDC_VERSION);
    put_u8(out, 5);
    put_u8(out, TYPE_CLASS_INTERFACE);
    put_u8(out, CDC_CALLS);
    put_u8(out, 0); /* no calls */
    put_u8(out, USB_INTERFACE_SERIAL);
    put_u8(out, 4);
    put_u8(out, TYPE_CLASS_INTERFACE);
    put_u8(out, CDC_ACM);
    put_u8(out, ACM_LINE_REQUESTS);
    put_u8(out, 5);
    put_u8(out, TYPE_CLASS_INTERFACE);
    put_u8(out, CDC_UNION);
    put_u8(out, USB_INTERFACE_CONTROL);
    put_u8(out, USB_INTERFACE_SERIAL);
}

static void put_configuration(struct byte_writer *out)
{
    put_u8(out, 9);
    put_u8(out, TYPE_CONFIGURATION);
    put_u16le(out, USB_CONFIGURATION_BYTES);
    put_u8(out, USB_INTERFACES);
    put_u8(out, 1); /* bConfigurationValue */
    put_u8(out, 0);
    put_u8(out, SELF_POWERED);
    put_u8(out, UNIT_LOADS_100_MA);

    put_interface(out, USB_INTERFACE_LINK, 2, USB_LINK_CLASS, USB_LINK_SUBCLASS, USB_LINK_PROTOCOL,
                  STRING_LINK);
    put_endpoint(out, USB_ENDPOINT_LINK_OUT, BULK, USB_PACKET_BYTES, 0);
    put_endpoint(out, USB_ENDPOINT_LINK_IN, BULK, USB_PACKET_BYTES, 0);

    put_u8(out, ASSOCIATION_BYTES);
    put_u8(out, TYPE_ASSOCIATION);
    put_u8(out, USB_INTERFACE_CONTROL);
    put_u8(out, 2); /* interfaces */
    put_u8(out, CLASS_CDC);
    put_u8(out, SUBCLASS_ACM);
    put_u8(out, 0);
    put_u8(out, STRING_PORT);
    /* Protocol 0: no AT commands, so nobody should look for a modem. */
    put_interface(out, USB_INTERFACE_CONTROL, 1, CLASS_CDC, SUBCLASS_ACM, 0, STRING_PORT);
    put_cdc(out);
    put_endpoint(out, USB_ENDPOINT_EVENT_IN, INTERRUPT, USB_EVENT_BYTES, EVENT_EVERY_MS);
    put_interface(out, USB_INTERFACE_SERIAL, 2, CLASS_CDC_DATA, 0, 0, STRING_PORT);
    put_endpoint(out, USB_ENDPOINT_SERIAL_OUT, BULK, USB_PACKET_BYTES, 0);
    put_endpoint(out, USB_ENDPOINT_SERIAL_IN, BULK, USB_PACKET_BYTES, 0);
}

static void put_bos(struct byte_writer *out)
{
    /* D8DD60DF-4589-4CC7-9CD2-659D9E648A9F, Microsoft's. */
    static const uint8_t platform[16] = {0xDF, 0x60, 0xDD, 0xD8, 0x89, 0x45, 0xC7, 0x4C,
                                         0x9C, 0xD2, 0x65, 0x9D, 0x9E, 0x64, 0x8A, 0x9F};
    put_u8(out, 5);
    put_u8(out, TYPE_BOS);
    put_u16le(out, USB_BOS_BYTES);
    put_u8(out, 1); /* capabilities */
    put_u8(out, CAPABILITY_BYTES);
    put_u8(out, TYPE_CAPABILITY);
    put_u8(out, CAPABILITY_PLATFORM);
    put_u8(out, 0);
    put_bytes(out, platform, sizeof platform);
    put_u32le(out, WINDOWS_8_1);
    put_u16le(out, USB_OS_SET_BYTES);
    put_u8(out, USB_OS_REQUEST);
    put_u8(out, 0); /* no other set of descriptors to switch to */
}

static void put_utf16(struct byte_writer *out, const char *text, size_t limit)
{
    for (size_t i = 0; i < limit && text[i] != '\0'; i++)
        put_u16le(out, (uint8_t)text[i]);
}

static void put_string(struct byte_writer *out, const char *text)
{
    size_t length = 0;
    for (const char *at = text; *at != '\0' && length < USB_STRING_CHARS; at++)
        length++;
    put_u8(out, (uint8_t)(2u + 2u * length));
    put_u8(out, TYPE_STRING);
    put_utf16(out, text, length);
}

static bool put_string_number(const struct usb_identity *identity, unsigned number,
                              struct byte_writer *out)
{
    switch ((enum string_index)number) {
    case STRING_LANGUAGES:
        put_u8(out, 4);
        put_u8(out, TYPE_STRING);
        put_u16le(out, ENGLISH_US);
        return true;
    case STRING_MANUFACTURER:
        put_string(out, identity->manufacturer);
        return true;
    case STRING_PRODUCT:
        put_string(out, identity->product);
        return true;
    case STRING_SERIAL:
        put_string(out, identity->serial);
        return true;
    case STRING_LINK:
        put_string(out, "Host link");
        return true;
    case STRING_PORT:
        put_string(out, "Host link as a serial port");
        return true;
    }
    return false;
}

bool usb_descriptor(const struct usb_identity *identity, unsigned value, struct byte_writer *out)
{
    unsigned index = value & 0xFFu;
    switch (value >> 8) {
    case TYPE_DEVICE:
        put_device(identity, out);
        return index == 0;
    case TYPE_CONFIGURATION:
        put_configuration(out);
        return index == 0;
    case TYPE_STRING:
        return put_string_number(identity, index, out);
    case TYPE_BOS:
        put_bos(out);
        return index == 0;
    default: /* no device qualifier: full speed is all there is */
        return false;
    }
}

void usb_os_descriptor_set(struct byte_writer *out)
{
    put_u16le(out, 10);
    put_u16le(out, OS_SET_HEADER);
    put_u32le(out, WINDOWS_8_1);
    put_u16le(out, USB_OS_SET_BYTES);
    put_u16le(out, 8);
    put_u16le(out, OS_CONFIGURATION);
    put_u8(out, 0); /* the first configuration, counted from 0 */
    put_u8(out, 0);
    put_u16le(out, OS_CONFIGURATION_BYTES);
    put_u16le(out, 8);
    put_u16le(out, OS_FUNCTION);
    put_u8(out, USB_INTERFACE_LINK);
    put_u8(out, 0);
    put_u16le(out, FUNCTION_BYTES);
    put_u16le(out, COMPATIBLE_BYTES);
    put_u16le(out, OS_COMPATIBLE);
    put_bytes(out, "WINUSB\0\0", 8);
    put_fill(out, 0, 8);
    put_u16le(out, REGISTRY_BYTES);
    put_u16le(out, OS_REGISTRY);
    put_u16le(out, REGISTRY_MULTI_SZ);
    put_u16le(out, UTF16(guids_name));
    put_utf16(out, guids_name, sizeof guids_name);
    put_u16le(out, 0);
    put_u16le(out, UTF16(guids) + 2u);
    put_utf16(out, guids, sizeof guids);
    put_u32le(out, 0); /* of the one string, and of the list */
}
