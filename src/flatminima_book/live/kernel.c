/* SGD and SAM with batch size 1 in WebAssembly, for the page `play`.

The arithmetic is that of flatminima/kernels/serial.py, models/relu.py,
models/sim_ln.py and sharpness/closed_form.py in float64: one step is

    theta <- theta - lr (grad L_i(theta + rho grad L_i / |grad L_i|) + decay theta)

with L_i = (f(x_i) - y_i)^2, no 1/2. With one example the gradient of the first
layer has rank one, so the pre-activations at the perturbed point need no second
product of matrices. The update of a step and the pre-activations of the next one
are taken in one pass over the first layer.

No sum depends on how a run is cut into calls, and WebAssembly leaves no rounding
open: equal settings give equal bits in every browser.

The first layer lies in panels of eight units, which are a cache line: entry (i, j)
is at w[((j / 8) * inputs + i) * 8 + j % 8]. Units that fill the last panel are zero
and stay so.
*/

#include <stdint.h>

#include "draws.h"
#include "pairs.h"

#define EXPORT(name) __attribute__((export_name(#name)))
#define MOST_INPUTS 64
#define MOST_WIDTH 512
#define MOST_EXAMPLES 512
#define MOST_TESTS 10000
#define MOST_ORDER 4096
#define PANEL 8
#define LARGEST_CUBE 13

enum { NO_BIAS, BIAS, SIM_LN };

static const double EPS = 1e-4; /* floor of the norm in Sim-LN, the engine's */

static int architecture, inputs, width, padded, examples, tests, d;
static double constant; /* the input that the bias multiplies */
static int64_t done;
static double w[MOST_INPUTS * MOST_WIDTH], v[MOST_WIDTH];
static double x[MOST_EXAMPLES * MOST_INPUTS], y[MOST_EXAMPLES], x_sq[MOST_EXAMPLES];
static uint64_t seen[MOST_EXAMPLES], held_out[MOST_TESTS];
static double z[MOST_WIDTH], u[MOST_WIDTH], g[MOST_WIDTH];
static double h_up[MOST_WIDTH], v_up[MOST_WIDTH];
static double terms[MOST_INPUTS], following[MOST_INPUTS];
static int32_t order[MOST_ORDER], epoch[MOST_EXAMPLES];
static double results[8];

static double root(double a) { return __builtin_sqrt(a); }
static int finite(double a) { return a - a == 0; }
static double larger(double a, double b) { return a > b ? a : b; }

/* --- data ---------------------------------------------------------------------- */

EXPORT(set_up)
void set_up(int architecture_, int d_, int width_, int examples_, double constant_) {
  architecture = architecture_;
  d = d_;
  inputs = d + (architecture != NO_BIAS);
  width = width_;
  padded = (width + PANEL - 1) / PANEL * PANEL;
  examples = examples_;
  tests = 0;
  constant = constant_;
  done = 0;
  for (int k = 0; k < MOST_INPUTS * MOST_WIDTH; k++) w[k] = 0;
  for (int k = 0; k < MOST_WIDTH; k++) v[k] = z[k] = u[k] = g[k] = 0;
}

static double label_of(uint64_t corner) {
  return ((corner ^ (corner >> 1)) & 1) ? -1 : 1;
}

static void write_corner(uint64_t corner, double *row) {
  for (int i = 0; i < d; i++) row[i] = (corner >> i) & 1 ? 1 : -1;
  if (inputs > d) row[d] = constant;
}

static int drawn_before(uint64_t corner, int count) {
  for (int k = 0; k < count; k++)
    if (seen[k] == corner) return 1;
  return 0;
}

EXPORT(measure_inputs)
void measure_inputs(void) {
  for (int k = 0; k < examples; k++) {
    double square = 0;
    for (int i = 0; i < inputs; i++) {
      double entry = x[k * inputs + i];
      square += entry * entry;
    }
    x_sq[k] = square;
  }
}

/* distinct corners of {-1, 1}^d with y = x_1 x_2, and the points to test on */
EXPORT(draw_data)
void draw_data(double seed) {
  uint64_t corners = (uint64_t)-1 >> (64 - d);
  seed_stream((uint64_t)seed, TRAIN);
  for (int k = 0; k < examples; k++) {
    do seen[k] = random_bits() & corners;
    while (drawn_before(seen[k], k));
    write_corner(seen[k], x + k * inputs);
    y[k] = label_of(seen[k]);
  }
  measure_inputs();
  seed_stream((uint64_t)seed, TEST);
  tests = 0;
  if (d <= LARGEST_CUBE) {
    for (uint64_t corner = 0; corner <= corners; corner++)
      if (!drawn_before(corner, examples)) held_out[tests++] = corner;
  } else {
    while (tests < MOST_TESTS) held_out[tests++] = random_bits() & corners;
  }
}

/* torch's default, as the engine's, and a factor on the first layer */
EXPORT(draw_start)
void draw_start(double seed, double scale) {
  double first = scale / root(d), second = 1 / root(width);
  seed_stream((uint64_t)seed, INIT);
  for (int i = 0; i < inputs; i++)
    for (int j = 0; j < width; j++)
      w[(j / PANEL * inputs + i) * PANEL + j % PANEL] = uniform(first);
  for (int j = 0; j < width; j++) v[j] = uniform(second);
  for (int k = 0; k < examples; k++) epoch[k] = k;
  seed_stream((uint64_t)seed, ORDER);
}

/* --- the network --------------------------------------------------------------- */

/* z = w^T row */
static void project(const double *row) {
  for (int j = 0; j < padded; j += PANEL) {
    const double *panel = w + j * inputs;
    pair z0 = spread(0), z1 = z0, z2 = z0, z3 = z0;
    for (int i = 0; i < inputs; i++) {
      pair entry = spread(row[i]);
      z0 = plus(z0, times(entry, at(panel, i * PANEL)));
      z1 = plus(z1, times(entry, at(panel, i * PANEL + 2)));
      z2 = plus(z2, times(entry, at(panel, i * PANEL + 4)));
      z3 = plus(z3, times(entry, at(panel, i * PANEL + 6)));
    }
    store_panel(z + j, z0, z1, z2, z3);
  }
}

/* w <- decay w + terms g^T, then z = w^T following, in one pass */
static void update_and_project(double decay) {
  pair kept = spread(decay);
  int decays = decay != 1;
  for (int j = 0; j < padded; j += PANEL) {
    double *panel = w + j * inputs;
    pair g0 = at(g, j), g1 = at(g, j + 2), g2 = at(g, j + 4), g3 = at(g, j + 6);
    pair z0 = spread(0), z1 = z0, z2 = z0, z3 = z0;
    for (int i = 0; i < inputs; i++) {
      double *row = panel + i * PANEL;
      pair term = spread(terms[i]), next = spread(following[i]);
      pair w0 = at(row, 0), w1 = at(row, 2), w2 = at(row, 4), w3 = at(row, 6);
      if (decays) {
        w0 = times(w0, kept);
        w1 = times(w1, kept);
        w2 = times(w2, kept);
        w3 = times(w3, kept);
      }
      w0 = plus(w0, times(term, g0));
      w1 = plus(w1, times(term, g1));
      w2 = plus(w2, times(term, g2));
      w3 = plus(w3, times(term, g3));
      store_panel(row, w0, w1, w2, w3);
      z0 = plus(z0, times(next, w0));
      z1 = plus(z1, times(next, w1));
      z2 = plus(z2, times(next, w2));
      z3 = plus(z3, times(next, w3));
    }
    store_panel(z + j, z0, z1, z2, z3);
  }
}

/* what the head of Sim-LN needs of h.h and v.h: f, 1 / max(|h|, eps) and the part
   of f in the gradient, which is 0 at or below the floor */
typedef struct { double f, scale, tangent; } normalised;

static normalised normalise(double square, double product) {
  double norm = root(square);
  double scale = 1 / larger(norm, EPS), f = product * scale;
  return (normalised){f, scale, norm > EPS ? f : 0};
}

/* f from z and v; fills u = df/dv and g = df/dz, and adds up their squares */
static double head(double *u_sq, double *g_sq) {
  pair product = spread(0), uu = product, gg = product;
  if (architecture != SIM_LN) {
    for (int j = 0; j < padded; j += 2) {
      pair zj = at(z, j), vj = at(v, j), h = relu(zj), gj = where(positive(zj), vj);
      wasm_v128_store(u + j, h);
      wasm_v128_store(g + j, gj);
      product = plus(product, times(vj, h));
      uu = plus(uu, times(h, h));
      gg = plus(gg, times(gj, gj));
    }
    *u_sq = sum(uu);
    *g_sq = sum(gg);
    return sum(product);
  }
  pair square = spread(0);
  for (int j = 0; j < padded; j += 2) {
    pair h = relu(at(z, j));
    square = plus(square, times(h, h));
    product = plus(product, times(at(v, j), h));
  }
  normalised to = normalise(sum(square), sum(product));
  pair scale = spread(to.scale), tangent = spread(to.tangent);
  for (int j = 0; j < padded; j += 2) {
    pair zj = at(z, j), uj = times(relu(zj), scale);
    pair gj = times(wasm_f64x2_sub(at(v, j), times(tangent, uj)), scale);
    gj = where(positive(zj), gj);
    wasm_v128_store(u + j, uj);
    wasm_v128_store(g + j, gj);
    uu = plus(uu, times(uj, uj));
    gg = plus(gg, times(gj, gj));
  }
  *u_sq = sum(uu);
  *g_sq = sum(gg);
  return to.f;
}

/* the same at the end of the ascent step, from u and g at its start; with a frozen
   pattern a unit is on where it was on before the step */
static double head_after(double climb, double rise, int frozen) {
  pair along_v = spread(climb), along_z = spread(rise);
  pair product = spread(0), square = product;
  int plain = architecture != SIM_LN;
  for (int j = 0; j < padded; j += 2) {
    pair before = at(z, j);
    pair after = plus(before, times(along_z, at(g, j)));
    pair vj = plus(at(v, j), times(along_v, at(u, j)));
    pair on = positive(frozen ? before : after);
    pair h = frozen ? where(on, after) : relu(after);
    product = plus(product, times(vj, h));
    if (plain) {
      wasm_v128_store(u + j, h);
      wasm_v128_store(g + j, where(on, vj));
    } else {
      square = plus(square, times(h, h));
      wasm_v128_store(h_up + j, h);
      wasm_v128_store(v_up + j, where(on, vj));
    }
  }
  if (plain) return sum(product);
  normalised to = normalise(sum(square), sum(product));
  pair scale = spread(to.scale), tangent = spread(to.tangent);
  for (int j = 0; j < padded; j += 2) {
    /* off units have h = 0 and v_up = 0, so their gradient is 0 */
    pair uj = times(at(h_up, j), scale);
    pair gj = times(wasm_f64x2_sub(at(v_up, j), times(tangent, uj)), scale);
    wasm_v128_store(u + j, uj);
    wasm_v128_store(g + j, gj);
  }
  return to.f;
}

/* Take a step for each of `count` examples of `order`. Returns how many were taken:
   fewer if an output is no longer finite. */
EXPORT(advance)
int advance(int count, double lr, double rho, double weight_decay, int frozen) {
  double decay = 1 - lr * weight_decay;
  if (count > 0) project(x + order[0] * inputs);
  for (int k = 0; k < count; k++) {
    const double *row = x + order[k] * inputs;
    double label = y[order[k]], square = x_sq[order[k]], u_sq, g_sq;
    double f = head(&u_sq, &g_sq), residual = (f - label) + (f - label);
    if (rho > 0) {
      double norm = root(u_sq + square * g_sq);
      if (norm > 0 && residual != 0) {
        double climb = __builtin_copysign(rho / norm, residual);
        f = head_after(climb, climb * square, frozen);
        residual = (f - label) + (f - label);
      }
    }
    if (!finite(f) || !finite(residual)) return k;
    double step = -lr * residual;
    pair change = spread(step), kept = spread(decay);
    for (int j = 0; j < padded; j += 2)
      wasm_v128_store(v + j, plus(times(kept, at(v, j)), times(change, at(u, j))));
    const double *next = k + 1 < count ? x + order[k + 1] * inputs : row;
    for (int i = 0; i < inputs; i++) {
      terms[i] = step * row[i];
      following[i] = next[i];
    }
    update_and_project(decay);
  }
  done += count;
  return count;
}

static void shuffle(void) {
  for (int k = examples - 1; k > 0; k--) {
    int other = random_below(k + 1), kept = epoch[k];
    epoch[k] = epoch[other];
    epoch[other] = kept;
  }
}

/* Take `count` steps, the examples shuffled anew in every epoch. Returns as `advance`. */
EXPORT(train)
int train(int count, double lr, double rho, double weight_decay, int frozen) {
  int taken = 0;
  while (taken < count) {
    int part = 0;
    while (part < MOST_ORDER && taken + part < count) {
      int place = (int)((done + part) % examples);
      if (place == 0) shuffle();
      order[part++] = epoch[place];
    }
    int moved = advance(part, lr, rho, weight_decay, frozen);
    taken += moved;
    if (moved < part) break;
  }
  return taken;
}

/* --- what is measured ----------------------------------------------------------- */

/* trace of the Hessian of f: 0 where f is piecewise linear in w and v apart; for
   Sim-LN see models/sim_ln.py */
static double laplacian(double f, double square_of_input) {
  if (architecture != SIM_LN) return 0;
  double square = 0;
  int active = 0;
  for (int j = 0; j < padded; j++) {
    double h = larger(z[j], 0);
    square += h * h;
    active += h > 0;
  }
  return square > EPS * EPS ? -(active - 1.0) * f * square_of_input / square : 0;
}

/* a certified lower bound on |grad f|^2 at the output f */
static double least_gradient(double f, double square_of_input) {
  double plain = 2 * root(square_of_input) * __builtin_fabs(f);
  if (architecture != SIM_LN) return plain;
  return plain / EPS < 1 ? plain / EPS : 1;
}

/* Fills and returns `results`: training loss; Tr Hess L, exact; its lower bound at the
   outputs as they are; the bound at f = y; accuracy on the training points; accuracy
   on the held-out ones, NaN without any; largest |z| of a pass, a guard against
   infinity. */
EXPORT(measure)
double *measure(void) {
  double loss = 0, trace = 0, bound = 0, bound_at_labels = 0, right = 0, u_sq, g_sq;
  for (int k = 0; k < examples; k++) {
    project(x + k * inputs);
    double f = head(&u_sq, &g_sq), residual = f - y[k];
    loss += residual * residual;
    trace += 2 * (u_sq + x_sq[k] * g_sq) + 2 * residual * laplacian(f, x_sq[k]);
    bound += 2 * least_gradient(f, x_sq[k]);
    bound_at_labels += 2 * least_gradient(y[k], x_sq[k]);
    right += f * y[k] > 0;
  }
  results[0] = loss / examples;
  results[1] = trace / examples;
  results[2] = bound / examples;
  results[3] = bound_at_labels / examples;
  results[4] = right / examples;
  double row[MOST_INPUTS];
  right = 0;
  for (int k = 0; k < tests; k++) {
    write_corner(held_out[k], row);
    project(row);
    right += head(&u_sq, &g_sq) * label_of(held_out[k]) > 0;
  }
  results[5] = right / tests;
  return results;
}

EXPORT(first_layer) double *first_layer(void) { return w; }
EXPORT(second_layer) double *second_layer(void) { return v; }
EXPORT(input_rows) double *input_rows(void) { return x; }
EXPORT(labels) double *labels(void) { return y; }
EXPORT(example_order) int32_t *example_order(void) { return order; }
EXPORT(most_order) int most_order(void) { return MOST_ORDER; }
EXPORT(most_inputs) int most_inputs(void) { return MOST_INPUTS; }
EXPORT(most_width) int most_width(void) { return MOST_WIDTH; }
