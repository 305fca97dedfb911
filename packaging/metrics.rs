//! Prints `docs/METRICS.md`: `make docs` writes it.

fn main() {
    print!("{}", seckill::metrics::table::page());
}
