/* C = A B' for an A of few rows: what one decode step of a small batch multiplies.
 *
 * A general sgemm first copies ("packs") B, the whole weight matrix, to make good use of it for many
 * rows of A. With one to a few rows that copy costs more than the product. Here each row of B is
 * read once, straight from memory, and used for all rows of A while it is in the first cache.
 * Everything else goes to the library that was there before.
 *
 * Interface: CBLAS (row-major 101, no-transpose 111, transpose 112).
 */

#include <stddef.h>

#define ROW_MAJOR 101
#define NO_TRANSPOSE 111
#define TRANSPOSE 112
/* Past this many rows packing pays. */
#define MOST_ROWS 8
/* As many sums as the processor has vector registers for. */
#ifdef __AVX512F__
#define LANES 16
#define BLOCK_ROWS 4
#else
#define LANES 8
#define BLOCK_ROWS 2
#endif
#define BLOCK_COLUMNS 4

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int,
                      float, float *, int);

static sgemm general;

void skinny_forward_to(void *function) { general = (sgemm)function; }

typedef float four __attribute__((vector_size(4 * sizeof(float))));
typedef float eight __attribute__((vector_size(8 * sizeof(float))));

static inline float sum(lanes v) {
    union { lanes all; eight eights[LANES / 8]; } a = {v};
    eight folded = a.eights[0];
#if LANES == 16
    folded += a.eights[1];
#endif
    union { eight all; four fours[2]; } b = {folded};
    four last = b.fours[0] + b.fours[1];
    return (last[0] + last[2]) + (last[1] + last[3]);
}

static inline void store(float *c, float product, float alpha, float beta) {
    *c = beta == 0.0f ? alpha * product : alpha * product + beta * *c;
}

/* `rows` rows of A times `columns` rows of B; inlined with constants, so that the sums stay in
 * registers. */
static inline __attribute__((always_inline)) void block(
    int rows, int columns, int k, float alpha, const float *a, int lda, const float *b, int ldb,
    float beta, float *c, int ldc) {
    lanes sums[BLOCK_ROWS][BLOCK_COLUMNS] = {{{0}}};
    int at = 0;
    for (; at + LANES <= k; at += LANES) {
        lanes left[BLOCK_ROWS];
        for (int row = 0; row < rows; row++)
            left[row] = *(const lanes *)(a + (size_t)row * lda + at);
        for (int column = 0; column < columns; column++) {
            lanes right = *(const lanes *)(b + (size_t)column * ldb + at);
            for (int row = 0; row < rows; row++) sums[row][column] += left[row] * right;
        }
    }
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            float total = sum(sums[row][column]);
            for (int rest = at; rest < k; rest++)
                total += a[(size_t)row * lda + rest] * b[(size_t)column * ldb + rest];
            store(c + (size_t)row * ldc + column, total, alpha, beta);
        }
}

static void few_rows(int m, int n, int k, float alpha, const float *a, int lda, const float *b,
                     int ldb, float beta, float *c, int ldc) {
    int column = 0;
    for (; column + BLOCK_COLUMNS <= n; column += BLOCK_COLUMNS) {
        const float *right = b + (size_t)column * ldb;
        int row = 0;
        for (; row + BLOCK_ROWS <= m; row += BLOCK_ROWS)
            block(BLOCK_ROWS, BLOCK_COLUMNS, k, alpha, a + (size_t)row * lda, lda, right, ldb,
                  beta, c + (size_t)row * ldc + column, ldc);
        for (; row + 2 <= m; row += 2)
            block(2, BLOCK_COLUMNS, k, alpha, a + (size_t)row * lda, lda, right, ldb, beta,
                  c + (size_t)row * ldc + column, ldc);
        if (row < m)
            block(1, BLOCK_COLUMNS, k, alpha, a + (size_t)row * lda, lda, right, ldb, beta,
                  c + (size_t)row * ldc + column, ldc);
    }
    for (; column < n; column++)
        for (int row = 0; row < m; row++)
            block(1, 1, k, alpha, a + (size_t)row * lda, lda, b + (size_t)column * ldb, ldb, beta,
                  c + (size_t)row * ldc + column, ldc);
}

void cblas_sgemm(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                 const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc) {
    if (order == ROW_MAJOR && transpose_a == NO_TRANSPOSE && transpose_b == TRANSPOSE &&
        m <= MOST_ROWS && k >= LANES)
        few_rows(m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    else
        general(order, transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
