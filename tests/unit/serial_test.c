/* The serial transport through the real libserialport, over a port that umockdev makes: a tty below
 * a mock USB device, whose node is a pseudo-terminal, with the modem-line ioctls a pty lacks served
 * here (design note USB.md, "libserialport").
 *
 * The program runs itself again below umockdev's preload library; with the address sanitizer its
 * library must come first.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/serial.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>
#include <umockdev.h>

#include "hostdrv/arrival.h"
#include "hostdrv/clock.h"
#include "hostdrv/kkt.h"
#include "hostdrv/transport.h"
#include "proto/link_message.h"
#include "proto/tags.h"
#include "proto/tlv.h"

#define PRELOAD "libumockdev-preload.so.0"
#define NODE    "/dev/ttyACM7"

static UMockdevTestbed *bed;
static GMainLoop *loop;
static int master = -1;
static int lines_seen; /* DTR and RTS as the program set them */
static int lows_asked; /* settings with low latency */

/* ---- The mock port ---- */

static gboolean serve_ioctl(UMockdevIoctlBase *base, UMockdevIoctlClient *request, gpointer user)
{
    (void)base;
    (void)user;
    gulong code = umockdev_ioctl_client_get_request(request);
    UMockdevIoctlData *argument = umockdev_ioctl_client_get_arg(request);
    if (code == TIOCMGET || code == TIOCMSET || code == TIOCMBIS || code == TIOCMBIC) {
        g_autoptr(UMockdevIoctlData) lines =
            umockdev_ioctl_data_resolve(argument, 0, sizeof(int), NULL);
        int value;
        memcpy(&value, lines->data, sizeof value);
        if (code == TIOCMGET)
            umockdev_ioctl_data_update(lines, 0, (guint8 *)&lines_seen, sizeof lines_seen);
        else if (code == TIOCMSET)
            lines_seen = value;
        else if (code == TIOCMBIS)
            lines_seen |= value;
        else
            lines_seen &= ~value;
        umockdev_ioctl_client_complete(request, 0, 0);
        return TRUE;
    }
    if (code == TIOCGSERIAL || code == TIOCSSERIAL) {
        g_autoptr(UMockdevIoctlData) data =
            umockdev_ioctl_data_resolve(argument, 0, sizeof(struct serial_struct), NULL);
        struct serial_struct settings = {0};
        if (code == TIOCGSERIAL)
            umockdev_ioctl_data_update(data, 0, (guint8 *)&settings, sizeof settings);
        memcpy(&settings, data->data, sizeof settings);
        lows_asked += code == TIOCSSERIAL && (settings.flags & (int)ASYNC_LOW_LATENCY) != 0;
        umockdev_ioctl_client_complete(request, 0, 0);
        return TRUE;
    }
    int problem = 0;
    gint result = umockdev_ioctl_client_execute(request, &problem, NULL);
    umockdev_ioctl_client_complete(request, result, problem);
    return TRUE;
}

static void *loop_main(void *unused)
{
    (void)unused;
    g_main_loop_run(loop);
    return NULL;
}

static void open_master(void)
{
    char slave[64], link[PATH_MAX];
    g_autofree gchar *root = umockdev_testbed_get_root_dir(bed);
    struct termios raw;
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ||
        ptsname_r(master, slave, sizeof slave) != 0 || tcgetattr(master, &raw) != 0)
        abort();
    cfmakeraw(&raw);
    tcsetattr(master, TCSANOW, &raw);
    snprintf(link, sizeof link, "%s" NODE, root);
    unlink(link);
    if (symlink(slave, link) != 0)
        abort();
}

static int bed_setup(void **state)
{
    (void)state;
    pthread_t thread;
    bed = umockdev_testbed_new();
    g_autoptr(GError) problem = NULL;
    if (!umockdev_testbed_add_from_string(bed,
                                          "P: /devices/pci0/usb1/1-1\nE: SUBSYSTEM=usb\n"
                                          "E: DEVTYPE=usb_device\nA: idVendor=1209\\n\n"
                                          "A: idProduct=0001\\n\nA: serial=BOARD-S\\n\n"
                                          "A: busnum=1\\n\nA: devnum=2\\n\n\n"
                                          "P: /devices/pci0/usb1/1-1/1-1:1.1\nE: SUBSYSTEM=usb\n"
                                          "E: DEVTYPE=usb_interface\n\n"
                                          "P: /devices/pci0/usb1/1-1/1-1:1.1/tty/ttyACM7\n"
                                          "N: ttyACM7\nE: SUBSYSTEM=tty\nE: DEVNAME=" NODE "\n"
                                          "A: dev=166:7\\n\n"
                                          "L: device=../../../1-1:1.1\n\n",
                                          &problem)) {
        fprintf(stderr, "umockdev: %s\n", problem->message);
        return -1;
    }
    GMainContext *context = g_main_context_new();
    loop = g_main_loop_new(context, FALSE);
    UMockdevIoctlBase *handler = umockdev_ioctl_base_new();
    g_signal_connect(handler, "handle-ioctl", G_CALLBACK(serve_ioctl), NULL);
    g_main_context_push_thread_default(context);
    bool attached = umockdev_testbed_attach_ioctl(bed, NODE, handler, NULL);
    g_main_context_pop_thread_default(context);
    return attached && pthread_create(&thread, NULL, loop_main, NULL) == 0 ? 0 : -1;
}

static int port_setup(void **state)
{
    (void)state;
    lines_seen = lows_asked = 0;
    open_master();
    return 0;
}

static int port_teardown(void **state)
{
    (void)state;
    if (master >= 0)
        close(master);
    master = -1;
    return 0;
}

static struct transport *open_port(const char *text)
{
    struct device_uri uri;
    struct transport *transport = NULL;
    kkt_error error;
    assert_int_equal(device_uri_parse(text, &uri, NULL), KKT_OK);
    if (transport_open(&uri, 1000, &transport, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    return transport;
}

/* ---- Tests ---- */

static void every_byte_value_passes_both_ways(void **state)
{
    (void)state;
    struct transport *port = open_port("serial:" NODE);
    const struct transport_operations *does = port->operations;
    uint8_t out[256], in[256];
    for (unsigned i = 0; i < 256; i++)
        out[i] = (uint8_t)i;
    assert_int_equal(lines_seen & (TIOCM_DTR | TIOCM_RTS), TIOCM_DTR | TIOCM_RTS);
    struct termios settings;
    assert_int_equal(tcgetattr(master, &settings), 0);
    assert_int_equal(cfgetospeed(&settings), B115200);
    assert_int_equal(does->read(port, in, sizeof in), 0); /* nothing yet is not the end */
    assert_int_equal(does->wait(port, false, 20), 0);
    assert_int_equal(does->wait(port, true, 1000), 1);
    assert_int_equal(does->write(port, out, sizeof out), 256);
    for (size_t have = 0; have < 256;) {
        ssize_t got = read(master, in + have, sizeof in - have);
        assert_true(got > 0);
        have += (size_t)got;
    }
    assert_memory_equal(in, out, 256);
    memset(in, 0, sizeof in);
    assert_int_equal(write(master, out, 256), 256);
    for (size_t have = 0; have < 256;) {
        assert_int_equal(does->wait(port, false, 1000), 1);
        int got = does->read(port, in + have, sizeof in - have);
        assert_true(got > 0);
        have += (size_t)got;
    }
    assert_memory_equal(in, out, 256);
    does->close(port);
}

static void speed_is_taken_from_the_address(void **state)
{
    (void)state;
    struct transport *port = open_port("serial:" NODE "?baud=9600");
    struct termios settings;
    assert_int_equal(tcgetattr(master, &settings), 0);
    assert_int_equal(cfgetospeed(&settings), B9600);
    port->operations->close(port);
}

/* linux/termios.h and termios.h cannot both be had. */
struct kernel_termios2 {
    unsigned modes[4];
    unsigned char line, characters[19];
    unsigned in_speed, out_speed;
};
#define KERNEL_TCGETS2 _IOR('T', 0x2A, struct kernel_termios2)

static void any_speed_that_the_port_takes(void **state)
{
    static const unsigned speeds[] = {1200, 14400, 57600, 250000, 460800, 1000000, 3000000};
    (void)state;
    for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++) {
        char text[64];
        struct kernel_termios2 settings;
        snprintf(text, sizeof text, "serial:" NODE "?baud=%u", speeds[i]);
        struct transport *port = open_port(text);
        assert_int_equal(syscall(SYS_ioctl, master, KERNEL_TCGETS2, &settings), 0);
        assert_int_equal(settings.out_speed, speeds[i]);
        assert_int_equal(settings.in_speed, speeds[i]);
        port->operations->close(port);
    }
}

/* Three wires: no line of the other side is set, and none is waited for. */
static void modem_lines_are_not_waited_for(void **state)
{
    (void)state;
    struct transport *port = open_port("serial:" NODE);
    struct termios settings;
    uint8_t byte = 0x55;
    assert_int_equal(lines_seen & (TIOCM_CTS | TIOCM_DSR | TIOCM_CAR), 0);
    assert_int_equal(tcgetattr(master, &settings), 0);
    assert_true((settings.c_cflag & CLOCAL) != 0 && (settings.c_cflag & CRTSCTS) == 0);
    assert_true((settings.c_iflag & (IXON | IXOFF | ICRNL | INLCR | ISTRIP)) == 0);
    assert_true((settings.c_oflag & OPOST) == 0);
    assert_true((settings.c_lflag & (ICANON | ECHO | ISIG)) == 0);
    assert_int_equal(port->operations->write(port, &byte, 1), 1);
    assert_int_equal(read(master, &byte, 1), 1);
    assert_int_equal(byte, 0x55);
    port->operations->close(port);
}

static void others_are_kept_out(void **state)
{
    char slave[64];
    int exclusive = 0;
    (void)state;
    struct transport *port = open_port("serial:" NODE);
    assert_int_equal(ptsname_r(master, slave, sizeof slave), 0);
    int other = open(slave, O_RDWR | O_NOCTTY | O_CLOEXEC); /* root may, others get EBUSY */
    if (other >= 0) {
        assert_int_equal(syscall(SYS_ioctl, other, TIOCGEXCL, &exclusive), 0);
        assert_int_equal(exclusive, 1);
        close(other);
    } else {
        assert_int_equal(errno, EBUSY);
    }
    assert_int_equal(lows_asked, 1); /* and what comes is not held back */
    port->operations->close(port);
}

/* Found by what it is, and opened by its number. */
static void a_port_is_known_by_its_board(void **state)
{
    kkt_found found[4];
    kkt_error error;
    size_t count = 0;
    (void)state;
    assert_int_equal(kkt_discover(found, 4, &count, &error), KKT_OK);
    assert_int_equal(count, 1);
    assert_string_equal(found[0].uri, "serial:" NODE);
    assert_string_equal(found[0].serial, "BOARD-S");
    assert_string_equal(found[0].node, NODE);
    struct transport *port = open_port("BOARD-S");
    port->operations->close(port);
}

/* A port that comes into being wakes who waits for it. */
static void a_port_that_comes_is_told(void **state)
{
    struct device_uri uri;
    char slave[64], link[PATH_MAX];
    g_autofree gchar *root = umockdev_testbed_get_root_dir(bed);
    (void)state;
    assert_int_equal(device_uri_parse("serial:/dev/kkt-new/port", &uri, NULL), KKT_OK);
    struct arrival *arrival = arrival_watch(&uri);
    assert_non_null(arrival);
    assert_false(arrival_wait(arrival, 20));
    /* Its folder first: what is waited for next is the folder. */
    snprintf(link, sizeof link, "%s/dev/other", root);
    assert_int_equal(mkdir(link, 0755), 0);
    assert_false(arrival_wait(arrival, 20));
    snprintf(link, sizeof link, "%s/dev/kkt-new", root);
    assert_int_equal(mkdir(link, 0755), 0);
    assert_true(arrival_wait(arrival, 1000));
    arrival_end(arrival);
    arrival = arrival_watch(&uri);
    assert_int_equal(ptsname_r(master, slave, sizeof slave), 0);
    snprintf(link, sizeof link, "%s/dev/kkt-new/port", root);
    assert_int_equal(symlink(slave, link), 0);
    assert_true(arrival_wait(arrival, 1000));
    arrival_end(arrival);
}

/* What libserialport's reads cannot tell. */
static void unplugging_is_seen_at_once(void **state)
{
    (void)state;
    struct transport *port = open_port("serial:" NODE);
    const struct transport_operations *does = port->operations;
    uint8_t byte;
    assert_int_equal(does->read(port, &byte, 1), 0);
    close(master);
    master = -1;
    uint64_t began_ms = host_clock_ms();
    int ready = does->wait(port, false, 5000);
    assert_true(ready != 0);
    assert_true(does->read(port, &byte, 1) < 0);
    assert_true(host_clock_ms() - began_ms < 1000);
    assert_true(does->write(port, &byte, 1) < 0);
    does->close(port);
}

static void a_port_is_held_by_one(void **state)
{
    (void)state;
    struct transport *port = open_port("serial:" NODE), *second = NULL;
    struct device_uri uri;
    kkt_error error;
    device_uri_parse("serial:" NODE, &uri, NULL);
    assert_int_equal(transport_open(&uri, 1000, &second, &error), ERROR_LINK_BUSY);
    assert_null(second);
    port->operations->close(port);
    port = open_port("serial:" NODE);
    port->operations->close(port);
}

static void no_such_port_is_told(void **state)
{
    (void)state;
    kkt *device;
    kkt_error error;
    assert_int_equal(kkt_open("serial:/dev/ttyACM99", NULL, &device, &error), ERROR_LINK_LOST);
    assert_null(device);
    assert_non_null(strstr(error.text, "/dev/ttyACM99"));
}

/* A board at the other end of the pty that knows who it is, and nothing more; goes when told. */
static void *board_main(void *unused)
{
    (void)unused;
    static struct link_decoder decoder;
    int port = master;
    uint8_t chunk[256];
    link_decoder_init(&decoder);
    for (;;) {
        ssize_t got = read(port, chunk, sizeof chunk);
        if (got <= 0 && errno != EINTR)
            return NULL;
        for (ssize_t i = 0; i < got; i++) {
            struct link_frame frame;
            if (!link_decoder_push(&decoder, chunk[i], &frame) || frame.kind != LINK_REQUEST)
                continue;
            if (frame.code != LINK_IDENTITY) {
                close(port); /* the cable is pulled in the middle of a request */
                return NULL;
            }
            uint8_t answer[64], wire[LINK_WIRE_MAX];
            struct byte_writer writer;
            size_t offset = 0;
            byte_writer_init(&writer, answer, sizeof answer);
            put_u16le(&writer, ERROR_NONE);
            tlv_put_bytes(&writer, TAG_BOARD_SERIAL, "BOARD-S", 7);
            size_t size = link_message_frame(LINK_ANSWER, frame.code, frame.exchange, answer,
                                             writer.length, &offset, wire, sizeof wire);
            if (write(port, wire, size) != (ssize_t)size)
                return NULL;
        }
    }
}

static void a_session_over_the_port_and_its_end(void **state)
{
    (void)state;
    pthread_t thread;
    kkt *device;
    kkt_error error;
    kkt_identity identity;
    kkt_status status;
    static const char stale[] = "half a frame of an earlier program";
    assert_int_equal(write(master, stale, sizeof stale), sizeof stale);
    pthread_create(&thread, NULL, board_main, NULL);
    assert_int_equal(kkt_open_lazy("serial:" NODE, NULL, &device, &error), KKT_OK);
    if (kkt_get_identity(device, &identity, &error) != KKT_OK)
        fail_msg("%s: %s", error.name, error.text);
    assert_string_equal(identity.serial, "BOARD-S");
    /* The board's thread closes its end in the middle of the next request. */
    uint64_t began_ms = host_clock_ms();
    assert_int_equal(kkt_get_status(device, &status, &error), ERROR_LINK_LOST);
    assert_true(host_clock_ms() - began_ms < 5000);
    kkt_close(device);
    pthread_join(thread, NULL);
    master = -1; /* the thread closed it */
}

static void run_again_below_umockdev(char **arguments)
{
    const char *loaded = getenv("LD_PRELOAD");
    if (loaded != NULL && strstr(loaded, "umockdev") != NULL)
        return;
    char preload[PATH_MAX + 64] = PRELOAD;
#if defined(__SANITIZE_ADDRESS__)
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        char *path = strchr(line, '/');
        if (path == NULL || strstr(path, "libasan") == NULL)
            continue;
        path[strcspn(path, "\n")] = '\0';
        snprintf(preload, sizeof preload, "%.4000s:" PRELOAD, path);
        break;
    }
    if (maps != NULL)
        fclose(maps);
#endif
    setenv("LD_PRELOAD", preload, 1);
    execv("/proc/self/exe", arguments);
    perror("execv");
    exit(1);
}

int main(int count, char **arguments)
{
    (void)count;
    run_again_below_umockdev(arguments);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_byte_value_passes_both_ways, port_setup,
                                        port_teardown),
        cmocka_unit_test_setup_teardown(speed_is_taken_from_the_address, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(any_speed_that_the_port_takes, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(modem_lines_are_not_waited_for, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(others_are_kept_out, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(a_port_is_known_by_its_board, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(a_port_that_comes_is_told, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(unplugging_is_seen_at_once, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(a_port_is_held_by_one, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(no_such_port_is_told, port_setup, port_teardown),
        cmocka_unit_test_setup_teardown(a_session_over_the_port_and_its_end, port_setup,
                                        port_teardown),
    };
    return cmocka_run_group_tests_name("serial", tests, bed_setup, NULL);
}
