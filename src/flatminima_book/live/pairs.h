/* Two numbers as a value, which WebAssembly computes with at once. */

#include <wasm_simd128.h>

typedef v128_t pair;

static pair at(const double *a, int j) { return wasm_v128_load(a + j); }
static pair spread(double a) { return wasm_f64x2_splat(a); }
static pair plus(pair a, pair b) { return wasm_f64x2_add(a, b); }
static pair times(pair a, pair b) { return wasm_f64x2_mul(a, b); }
static pair where(pair mask, pair a) { return wasm_v128_and(mask, a); }
static pair positive(pair a) { return wasm_f64x2_gt(a, spread(0)); }
static pair relu(pair a) { return wasm_f64x2_max(a, spread(0)); } /* keeps NaN */
static double sum(pair a) {
  return wasm_f64x2_extract_lane(a, 0) + wasm_f64x2_extract_lane(a, 1);
}

/* eight numbers that lie side by side */
static void store_panel(double *a, pair a0, pair a1, pair a2, pair a3) {
  wasm_v128_store(a, a0);
  wasm_v128_store(a + 2, a1);
  wasm_v128_store(a + 4, a2);
  wasm_v128_store(a + 6, a3);
}
