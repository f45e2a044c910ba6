// Waiting for a condition, with a timeout that only limits the duration of a failing test.

/** Polls `condition` until it returns a truthy value, and returns that value. */
export async function until(what, condition, ms = 15_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const got = await condition();
    if (got) return got;
    if (Date.now() > deadline) throw new Error(`waited ${ms} ms for: ${what}`);
    await new Promise((ok) => setTimeout(ok, 50));
  }
}
