/* Random numbers of the page: xoshiro256++ (Blackman & Vigna), seeded by splitmix64.
Every use of a seed has a stream of its own, so no two share numbers. */

#include <stdint.h>

enum { TRAIN, TEST, INIT, ORDER };
static uint64_t random_state[4];

static uint64_t turned(uint64_t a, int by) { return (a << by) | (a >> (64 - by)); }

static void seed_stream(uint64_t seed, int stream) {
  uint64_t state = 16 * seed + stream;
  for (int k = 0; k < 4; k++) {
    uint64_t mixed = (state += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    random_state[k] = mixed ^ (mixed >> 31);
  }
}

static uint64_t random_bits(void) {
  uint64_t *s = random_state;
  uint64_t result = turned(s[0] + s[3], 23) + s[0], carried = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= carried;
  s[3] = turned(s[3], 45);
  return result;
}

/* uniform on [-bound, bound) */
static double uniform(double bound) {
  return bound * ((double)(random_bits() >> 11) * 0x1p-52 - 1);
}

/* one of 0, ..., count - 1; uneven by less than count / 2^32 */
static int random_below(int count) {
  return (int)(((random_bits() >> 32) * (uint64_t)count) >> 32);
}
