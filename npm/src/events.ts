// Event handlers of sessions and calls.

import { ERROR_INFO } from "./constants.js";

/** Any handler. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Handler = (...values: any[]) => void;

/** Reports an exception of a handler as an uncaught error, so that it does not interrupt the SDK. */
export function report(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}

/** Event handlers, one per event; a later one replaces an earlier one. */
export class Handlers {
  #handlers = new Map<string, Handler>();

  set(event: string, handler: Handler, NoEvent: typeof Error): void {
    if (!event) throw new NoEvent(ERROR_INFO.EVENT_CANT_BE_NULL);
    if (typeof handler !== "function") throw new Error(ERROR_INFO.CALLBACK_NEEDS_TO_BE_A_VALID_FUNCTION);
    this.#handlers.set(event, handler);
  }

  has(event: string): boolean {
    return this.#handlers.has(event);
  }

  fire(event: string, ...values: unknown[]): void {
    try {
      this.#handlers.get(event)?.(...values);
    } catch (error) {
      report(error);
    }
  }
}

/** Returns the error for a method that is not supported. */
export function missing(method: string): Error {
  return new Error(`${method} is not supported by this version of Offhook`);
}

/** Returns a random UUID. `randomUUID` does not exist on a page from plain http. */
export function uuid(): string {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
