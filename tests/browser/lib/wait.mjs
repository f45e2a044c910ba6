// Waiting for a condition, with a deadline that bounds a failure.

/** Asks `condition` until it gives something truthy, and gives that back. */
export async function until(what, condition, ms = 15_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const got = await condition();
    if (got) return got;
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`);
    await new Promise((ok) => setTimeout(ok, 50));
  }
}
