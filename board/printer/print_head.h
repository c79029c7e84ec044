/* A thermal print head with cutter, emulated: what a receipt printer on a UART does, and the paper
 * that comes out of it.
 *
 * Problem: the firmware must be proven against a head that is slow, runs out of paper in the middle
 * of a line and loses its buffer with the power. Idea: take the ESC/POS bytes the firmware sends,
 * keep the modes a head keeps, and put every printed line on "paper" that survives anything, a
 * SIGKILL of this process included, as real paper does.
 *
 * Always true:
 *  1 Any bytes are safe. Unknown commands are skipped with their parameters where ESC/POS tells
 * their length. 2 Commands run in order, from a receive buffer of PRINT_HEAD_BUFFER bytes; only DLE
 * EOT n (status) and DLE DC4 8 (clear buffer) are real-time: they act when received, even while the
 * head is stopped or its buffer is full. 3 The head stops before a line when there is no paper, the
 * cover is open, it has a fault or no power. What it has printed stays on the paper. Power loss
 * empties the receive buffer and resets the modes. 4 After the cover was closed, paper put in or a
 * fault cleared it stays off-line for PRINT_HEAD_RECOVERY_MS, as heads do while they feed; a stop
 * can thus never pass unseen between two status requests. 5 A cut turns what is on the paper into
 * one slip: DIR/NNNNNN.txt, DIR/NNNNNN.png and one line of DIR/index.jsonl. Paper that ends (roll
 * empty) ends the piece as well. Blank paper makes no slip.
 *
 * Files (README.md beside this header has the tables): what is printed is in a file when a function
 * of the head returns, and a cut is committed by one rename. Text, index line and picture of a cut
 * slip are made by threads of their own and come a moment later, the picture last; what was not
 * made when the process died is made by the next open, texts and index lines before it returns.
 * Text and picture are written under another name and renamed; the index is appended last, so a
 * slip named there has its text. Slip numbers go on from the last one in the directory.
 *
 * Whole or torn? The index says "complete": true when the piece began after a cut (or on fresh
 * paper), was not interrupted and ended with a cut. A torn piece has "complete": false and its text
 * begins with the line "[TORN]".
 *
 * Threads: all functions are called from one thread; the threads that write slips out are
 * inside.
 */
#ifndef BOARD_PRINTER_PRINT_HEAD_H
#define BOARD_PRINTER_PRINT_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRINT_HEAD_BUFFER      4096u
#define PRINT_HEAD_RECOVERY_MS 500u

struct print_head;

struct print_head_options {
    const char *directory;     /* made when absent; NULL: no files at all */
    uint8_t columns;           /* 32 (58 mm, 384 dots), 42 or 48 (80 mm, 576 dots); 0: 48 */
    unsigned lines_per_second; /* 0: as fast as the bytes come */
    bool png;                  /* draw pictures */
    /* Told of each piece of paper the moment it comes out, on the caller's thread: the text that
     * NNNNNN.txt holds (UTF-8, size bytes, no zero behind them, gone when the call returns), and
     * whether it is a whole slip ("complete" of the index). Works without a directory too, and then
     * no thread runs. A piece an earlier process left in the head is told whole when it comes out,
     * or while the head opens when it was cut already. It must not call the head. May be NULL. */
    void (*on_slip)(void *context, const char *text, size_t size, bool complete);
    void *context;
};

/* NULL when the directory cannot be made or read (errno tells why). Paper left unfinished by an
 * earlier run is still in the head. */
struct print_head *print_head_open(const struct print_head_options *options);
/* Waits for texts, index and pictures. Paper without a cut stays for the next open. NULL is
 * allowed. */
void print_head_close(struct print_head *head);

/* Bytes from the board's UART. Returns how many were taken: fewer than n, perhaps 0, when the
 * buffer is full (flow control). Without power everything is taken and lost. */
size_t print_head_feed(struct print_head *head, const uint8_t *bytes, size_t n, uint64_t now_ms);
/* Bytes for the board's UART (status answers). Returns how many were put in out. */
size_t print_head_output(struct print_head *head, uint8_t *out, size_t capacity, uint64_t now_ms);
/* Lets time pass: prints what the pace allows. Call every turn; feed and output call it too. */
void print_head_step(struct print_head *head, uint64_t now_ms);

/* What people and chance do to it. */
enum print_head_paper { PRINT_HEAD_PAPER_IN, PRINT_HEAD_PAPER_NEAR_END, PRINT_HEAD_PAPER_OUT };
void print_head_set_paper(struct print_head *head, enum print_head_paper paper);
/* The roll ends after so many more lines; print_head_set_paper cancels it. */
void print_head_set_paper_out_after(struct print_head *head, unsigned lines);
void print_head_set_cover(struct print_head *head, bool open);
void print_head_set_fault(struct print_head *head, bool fault); /* cutter jam */
void print_head_set_power(struct print_head *head, bool on);
void print_head_power_cycle(struct print_head *head); /* off and on again at once */
/* Answers are lost on the way while mute; printing goes on. */
void print_head_set_mute(struct print_head *head, bool mute);

struct print_head_counters {
    uint32_t slips; /* pieces of paper that came out, torn ones included */
    uint32_t torn;  /* of them */
    uint64_t lines;
    uint64_t millimetres; /* of paper used, feeding included */
    uint64_t bytes;       /* received */
    uint32_t cuts;
};
/* Since this open. */
void print_head_counters(const struct print_head *head, struct print_head_counters *out);
/* Number of the newest slip in the directory, 0 when there is none. */
uint32_t print_head_last_slip(const struct print_head *head);
/* Returns when every slip cut so far has its text, its index line and its picture. */
void print_head_wait_pictures(struct print_head *head);

#endif
