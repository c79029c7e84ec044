/* The paper of the head: the piece being printed, the slips already cut, the directory they lie in,
 * and the two threads that write them out.
 *
 * A cut is committed by one rename, current.paper -> NNNNNN.paper; text, index line and picture are
 * made from that file and can be made again after a crash at any point, because it is removed last.
 * One thread makes text and index line of each slip cut, in order, another the pictures after it.
 * Records of what is printed are gathered and written with one call by paper_flush, which the head
 * calls before it returns control: paper survives the process line by line.
 */
#ifndef BOARD_PRINTER_PAPER_H
#define BOARD_PRINTER_PAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct paper;

/* directory NULL: paper without files. NULL with errno when the directory cannot be used. on_slip
 * (may be NULL) gets the text of each piece that comes out, see print_head.h. */
struct paper *paper_open(const char *directory, uint8_t columns, bool png,
                         void (*on_slip)(void *context, const char *text, size_t size,
                                         bool complete),
                         void *context);
void paper_close(struct paper *paper);

/* A printed line, CP866; style is enum paper_style. */
void paper_line(struct paper *paper, uint8_t style, const uint8_t *text, size_t length);
void paper_qr(struct paper *paper, uint16_t module_dots, const uint8_t *content, size_t length);
void paper_feed(struct paper *paper, uint16_t dots);
/* What is on the paper, or comes next, is not one uninterrupted slip. */
void paper_tear(struct paper *paper);
/* Forgets a tear that nothing was printed after: the next line starts a new slip. */
void paper_untear_blank(struct paper *paper);
bool paper_blank(const struct paper *paper);
/* The piece comes out: by the cutter, or because the roll ended. */
void paper_cut(struct paper *paper);
void paper_roll_end(struct paper *paper);
/* What is on the paper is in the files. */
void paper_flush(struct paper *paper);

struct paper_counters {
    uint32_t slips, torn, cuts;
    uint64_t lines, dots;
};
const struct paper_counters *paper_counters(const struct paper *paper);
uint32_t paper_last_slip(const struct paper *paper);
/* Returns when every slip cut so far is written out: text, index line and picture. */
void paper_wait_pictures(struct paper *paper);

#endif
