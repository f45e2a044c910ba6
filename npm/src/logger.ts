// Logging to the console or a custom logger, and on request to the relay.

/** A level of log lines, from the most to the least severe. */
export type LogLevel = "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE";

/** A level in lower case: the name of the method that writes a line of it. */
type Method = "error" | "warn" | "info" | "debug" | "trace";

/** An object of the page that receives log lines; levels without a method go to the console. */
export type CustomLogger = Partial<Record<Method, (text: string) => void>>;

/** Options of a logger. */
export interface LoggerOptions {
  /** The least severe level that is written; INFO by default. */
  severity?: LogLevel;
  /**
   * Also sends the lines to the relay, once a session is connected; `false` by default. Up to 1,000 earlier lines are kept for
   * it. The Offhook relay accepts and drops them.
   */
  push?: boolean;
  /** Receives the lines in place of the console. */
  customLogger?: CustomLogger | null;
  /** Writes lines at all; `true` by default. */
  enableLogs?: boolean;
}

const ORDER: readonly LogLevel[] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
const MOST_KEPT = 1000;

/** Writes log lines to the console or a {@link CustomLogger}, and to the relay on request. */
export class Logger {
  #level: LogLevel = "INFO";
  #push = false;
  #enabled = true;
  #custom: CustomLogger | null = null;
  #kept: string[] = [];
  #send: ((logs: string) => void) | null = null;

  /** Creates a logger; `null` creates one that writes nothing. */
  constructor(options?: LoggerOptions | null) {
    if (options === null) this.#enabled = false;
    this.init(options?.severity, options?.push, options?.customLogger, options?.enableLogs);
  }

  /** Sets the options that are given and keeps the others. */
  init(level?: LogLevel, push?: boolean, custom?: CustomLogger | null, enabled?: boolean): void {
    if (level) this.#level = level;
    if (push !== undefined) this.#push = push;
    if (custom) this.#custom = custom;
    if (enabled !== undefined) this.#enabled = enabled;
  }

  /** Sets the least severe level that is written. */
  setLevel(level: LogLevel): void {
    this.#level = level;
  }

  /** Sets whether lines are also sent to the relay. */
  setPushLogs(push: boolean): void {
    this.#push = push;
  }

  /** Sets whether lines are written at all. */
  setEnableLogs(enabled: boolean): void {
    this.#enabled = enabled;
  }

  /** Sets the object that receives the lines in place of the console. */
  setCustomLogger(custom: CustomLogger): void {
    this.#custom = custom;
  }

  /** Sets the function that sends lines to the relay. Lines kept so far are sent first. */
  setConnection(send: ((logs: string) => void) | null): void {
    this.#send = send;
    if (send && this.#push) this.#kept.splice(0).forEach((line) => send(line));
  }

  /** Writes a line of level ERROR. */
  error(source: string, text: unknown): void {
    this.#log("error", source, text);
  }

  /** Writes a line of level WARN. */
  warn(source: string, text: unknown): void {
    this.#log("warn", source, text);
  }

  /** Writes a line of level INFO. */
  info(source: string, text: unknown): void {
    this.#log("info", source, text);
  }

  /** Writes a line of level DEBUG. */
  debug(source: string, text: unknown): void {
    this.#log("debug", source, text);
  }

  /** Writes a line of level TRACE. */
  trace(source: string, text: unknown): void {
    this.#log("trace", source, text);
  }

  #log(method: Method, source: string, text: unknown): void {
    const level = method.toUpperCase() as LogLevel;
    if (!this.#enabled || ORDER.indexOf(level) > ORDER.indexOf(this.#level)) return;
    const line = `${new Date().toISOString()} ${level} ${source} - ${String(text)}`;
    // `console.trace` would print a stack trace.
    const write = this.#custom?.[method] ?? console[method === "trace" ? "debug" : method];
    write.call(this.#custom ?? console, line);
    if (this.#push && this.#send) this.#send(line + "\n");
    else if (this.#kept.push(line + "\n") > MOST_KEPT) this.#kept.shift();
  }
}
