// Log lines: to the console or to the page's own logger, and on request to the relay.

/** How much is logged. */
export type LogLevel = "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE";

type Method = "error" | "warn" | "info" | "debug" | "trace";

/** The page's own logger. */
export type CustomLogger = Partial<Record<Method, (text: string) => void>>;

/** Options of a logger. */
export interface LoggerOptions {
  severity?: LogLevel;
  push?: boolean;
  customLogger?: CustomLogger | null;
  enableLogs?: boolean;
}

const ORDER: readonly LogLevel[] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
const MOST_KEPT = 1000;

/** Writes log lines. */
export class Logger {
  #level: LogLevel = "INFO";
  #push = false;
  #enabled = true;
  #custom: CustomLogger | null = null;
  #kept: string[] = [];
  #send: ((logs: string) => void) | null = null;

  constructor(options?: LoggerOptions | null) {
    if (options === null) this.#enabled = false;
    this.init(options?.severity, options?.push, options?.customLogger, options?.enableLogs);
  }

  init(level?: LogLevel, push?: boolean, custom?: CustomLogger | null, enabled?: boolean): void {
    if (level) this.#level = level;
    if (push !== undefined) this.#push = push;
    if (custom) this.#custom = custom;
    if (enabled !== undefined) this.#enabled = enabled;
  }

  setLevel(level: LogLevel): void {
    this.#level = level;
  }

  setPushLogs(push: boolean): void {
    this.#push = push;
  }

  setEnableLogs(enabled: boolean): void {
    this.#enabled = enabled;
  }

  setCustomLogger(custom: CustomLogger): void {
    this.#custom = custom;
  }

  /** Where pushed lines go; the ones kept so far go first. */
  setConnection(send: ((logs: string) => void) | null): void {
    this.#send = send;
    if (send && this.#push) this.#kept.splice(0).forEach((line) => send(line));
  }

  error(source: string, text: unknown): void {
    this.#log("error", source, text);
  }

  warn(source: string, text: unknown): void {
    this.#log("warn", source, text);
  }

  info(source: string, text: unknown): void {
    this.#log("info", source, text);
  }

  debug(source: string, text: unknown): void {
    this.#log("debug", source, text);
  }

  trace(source: string, text: unknown): void {
    this.#log("trace", source, text);
  }

  #log(method: Method, source: string, text: unknown): void {
    const level = method.toUpperCase() as LogLevel;
    if (!this.#enabled || ORDER.indexOf(level) > ORDER.indexOf(this.#level)) return;
    const line = `${new Date().toISOString()} ${level} ${source} - ${String(text)}`;
    // `console.trace` would print a stack.
    const write = this.#custom?.[method] ?? console[method === "trace" ? "debug" : method];
    write.call(this.#custom ?? console, line);
    if (this.#push && this.#send) this.#send(line + "\n");
    else if (this.#kept.push(line + "\n") > MOST_KEPT) this.#kept.shift();
  }
}
