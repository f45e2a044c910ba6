// The session object of the API.

import { Call, NO_OPTIONS, type CallOptions } from "./call.js";
import { ERROR_INFO, SESSION_STATUS } from "./constants.js";
import { core, whenReady } from "./core.js";
import { Handlers, missing, uuid, type Handler } from "./events.js";
import { Logger, type LoggerOptions } from "./logger.js";

/** The account of a session at a SIP server, or at the relay itself. Servers are `host` or `host:port`. */
export interface SipOptions {
  /** The user part of the address of record, and the name by which this session is called. */
  login?: string;
  /** The user name for authentication (RFC 3261, section 22); the login by default. */
  authenticationName?: string;
  /** The password of the account. */
  password?: string;
  /** The domain of the address of record, and the registrar unless there is a proxy. */
  domain?: string;
  /** The host to which requests are sent in place of the domain. */
  outboundProxy?: string;
  /** An additional proxy that requests are routed through (RFC 3261, section 16.12). */
  proxy?: string;
  /** The port of the SIP server. Without it, the server is located by DNS (RFC 3263). */
  port?: string | number;
  /** Registers the login, so that REGISTERED is fired. */
  registerRequired?: boolean;
}

/** Options of `createSession`. Times are in milliseconds. */
export interface SessionOptions {
  /** The URL of the relay: `wss://host:port`, or `ws://host:port` on a page that is not https. */
  urlServer: string;
  /**
   * A token in place of `sipOptions`: that of an earlier session ({@link UserData}), which is taken over, or a JSON Web Token that the
   * application has issued for a new session.
   */
  authToken?: string;
  /** The relay keeps the session and its registration for some time after the WebSocket closed, for `authToken`. */
  keepAlive?: boolean;
  /** The application at the relay; `defaultApp` by default. With `clickToCallApp` calls are made without a login. */
  appKey?: string;
  /** Any JSON value, sent to the relay. */
  custom?: unknown;
  /** The account. Without it and without `authToken`, the session can make calls only where the relay permits it. */
  sipOptions?: SipOptions;
  /**
   * Configuration of the peer connections (W3C WebRTC, `RTCConfiguration`), for example `iceServers`. Its `bundlePolicy` is set
   * to `max-compat`.
   */
  mediaOptions?: RTCConfiguration;
  /** Milliseconds after which a WebSocket that is still not open fails the session; 0, the default, for none. */
  timeout?: number;
  /** Milliseconds between two pings sent to the relay; 0, the default, for none. */
  pingInterval?: number;
  /** The number of probe intervals without any message of the relay after which the session fails; 0, the default, for none. */
  receiveProbes?: number;
  /** Milliseconds of a probe interval; 0, the default, for none. */
  probesInterval?: number;
  /** Sends the user agent client hints to the relay; `true` by default. */
  sendClientInfo?: boolean;
  /** The URL of a load balancer, which names the relay to use in place of `urlServer`; `urlServer` is used if it does not answer. */
  lbUrl?: string;
  /** Options of a logger of its own; that of the module by default. */
  logger?: LoggerOptions | null;
}

/** A status of a session. */
export type SessionStatus = keyof typeof SESSION_STATUS;

/** Data of an accepted session from the relay. */
export interface UserData {
  /** The token for taking this session over later, as `authToken` of `createSession`. */
  authToken?: string;
  /** The login of the session. */
  sipLogin?: string;
  /** The relay runs in demo mode and accepts any login without a password. */
  demo?: boolean;
  [field: string]: unknown;
}

/** The notice that the JSON Web Token of a session expires soon; see `renewToken` of the session. */
export interface TokenNotice {
  /** The remaining time in seconds. */
  expiresIn: number;
}

/** The interface of the module that a session uses. */
export interface SessionContext {
  providers: string[];
  clientInfo: () => unknown;
  logger: Logger;
  add(session: Session): void;
  remove(session: Session): void;
}

type Settle = { resolve: (status: unknown) => void; reject: (status: unknown) => void };

/** Timeout of the request to a load balancer. */
const BALANCER_MS = 5000;

const SIP_FIELDS = {
  login: "sipLogin",
  authenticationName: "sipAuthenticationName",
  password: "sipPassword",
  domain: "sipDomain",
  outboundProxy: "sipOutboundProxy",
  proxy: "sipProxy",
  port: "sipPort",
  registerRequired: "sipRegisterRequired",
} as const;

/** A session: one WebSocket to the relay, and the calls on it. */
export class Session {
  #id = uuid();
  #core: core.SessionHandle | undefined;
  #closed = false;
  /** The session failed before a socket was opened. */
  #failed = false;
  #url: string;
  /** Limits the time for loading the core and for the load balancer; the socket has its own limit. */
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #began = performance.now();
  /** A Content Security Policy forbids the socket. The socket's own error event has no reason (CSP Level 3, section 6.1.2). */
  #forbidden = false;
  #violation = ({ effectiveDirective, blockedURI }: SecurityPolicyViolationEvent): void => {
    if (effectiveDirective === "connect-src" && this.#url.startsWith(blockedURI)) this.#forbidden = true;
  };
  #options: SessionOptions;
  #context: SessionContext;
  #handlers = new Handlers();
  #logger: Logger;
  #data = new Map<string, Settle>();

  /** @internal */
  constructor(options: SessionOptions, context: SessionContext) {
    this.#options = options;
    this.#context = context;
    this.#url = options.urlServer;
    this.#logger = options.logger === undefined ? context.logger : new Logger(options.logger);
    context.add(this);
    if (options.timeout) this.#deadline = setTimeout(() => this.#fail("the WebAssembly core was not loaded in time"), options.timeout);
    let constructing = true;
    const start = (): void => {
      try {
        this.#start();
      } catch (error) {
        // An invalid URL is an exception of createSession, or an event if the core was not loaded yet.
        if (constructing) throw error;
        this.#fail((error as Error).message);
      }
    };
    whenReady(start, (error) => this.#fail(error.message));
    constructing = false;
  }

  /**
   * Sets the handler of an event, in place of an earlier one. Exceptions of handlers are reported as uncaught errors.
   *
   * @throws Error "Event can't be null", "Callback needs to be a valid function".
   */
  on(event: "INCOMING_CALL", callback: (call: Call) => void): this;
  on(event: "ESTABLISHED", callback: (session: Session, data: UserData) => void): this;
  on(event: "TOKEN_EXPIRING", callback: (notice: TokenNotice) => void): this;
  on(event: "WARN" | "APP_DATA" | "DEBUG", callback: (data: Record<string, unknown>) => void): this;
  on(event: SessionStatus, callback: (session: Session, data?: unknown) => void): this;
  on(event: string, callback: Handler): this {
    this.#handlers.set(event, callback, Error);
    return this;
  }

  /** The UUID of the session. It is local and never sent. */
  id(): string {
    return this.#id;
  }

  /** The current status. */
  status(): SessionStatus {
    const early = this.#failed ? SESSION_STATUS.FAILED : SESSION_STATUS.PENDING;
    return (this.#core?.status() ?? early) as SessionStatus;
  }

  /** The URL of the relay; with `lbUrl` the one that the load balancer named, once it has answered. */
  getServerUrl(): string {
    return this.#url;
  }

  /** The logger of the session. */
  getLogger(): Logger {
    return this.#logger;
  }

  /**
   * Creates a call; `call.call()` places it.
   *
   * @throws Error "Invalid session state" unless the session is ESTABLISHED or REGISTERED.
   * @throws TypeError "options must be provided".
   */
  createCall(options: CallOptions): Call {
    if (!this.#core?.takesCalls()) throw new Error(`${ERROR_INFO.INVALID_SESSION_STATE} ${this.status()}`);
    if (!options) throw new TypeError(NO_OPTIONS);
    return this.#call(this.#core.createCall(options.callId ?? uuid()), options);
  }

  /** Closes the WebSocket; DISCONNECTED is fired. The relay ends the calls. */
  disconnect(): void {
    this.#closed = true;
    clearTimeout(this.#deadline);
    if (this.#core) this.#core.disconnect();
    else this.#context.remove(this);
  }

  /**
   * Sends data to the application behind the relay.
   *
   * @returns a promise of the status object of the relay; rejected with that object if no application accepts the data, and
   *   with an Error if there is no connection or the payload is not a JSON value.
   */
  sendData(payload: unknown): Promise<unknown> {
    return this.#operation((id) => {
      if (JSON.stringify(payload) === undefined) throw new TypeError("The payload must be a value that JSON has");
      this.#core?.sendData(id, payload);
    });
  }

  /** Starts an operation whose result the relay sends under the same id. */
  #operation(start: (id: string) => void): Promise<unknown> {
    const id = uuid();
    return new Promise((resolve, reject) => {
      if (!["CONNECTED", "ESTABLISHED", "REGISTERED"].includes(this.status())) throw this.#notConnected();
      start(id);
      this.#data.set(id, { resolve, reject });
    });
  }

  /**
   * Replaces the JSON Web Token of the session, which expires soon (TOKEN_EXPIRING) or has expired during a call, with a new one for the
   * same login.
   *
   * @returns a promise of the status object of the relay, whose `expiresIn` is the lifetime in seconds; rejected with that object if the
   *   token is not accepted, whose `info` is the reason, and with an Error if there is no connection.
   */
  renewToken(token: string): Promise<unknown> {
    return this.#operation((id) => this.#core?.renewToken(id, token));
  }

  /** Sends an object to the relay. The Offhook relay accepts and drops it. */
  submitBugReport(report: unknown): void {
    this.#core?.submitBugReport(report);
  }

  /** Sets the level DEBUG, sends the log lines to the relay and requests debugging there; DEBUG is fired. */
  startDebug(): void {
    this.#logger.setPushLogs(true);
    this.#logger.setLevel("DEBUG");
    this.#core?.debug("start");
  }

  /** Sets the level INFO and ends debugging at the relay; DEBUG is fired. */
  stopDebug(): void {
    this.#logger.setLevel("INFO");
    this.#core?.debug("stop");
  }

  /**
   * Not supported.
   * @throws Error always: streams are not supported.
   */
  createStream(): never {
    throw missing("session.createStream");
  }

  /**
   * Not supported.
   * @throws Error always: streams are not supported.
   */
  getStream(): never {
    throw missing("session.getStream");
  }

  /**
   * Not supported.
   * @throws Error always: streams are not supported.
   */
  getStreams(): never {
    throw missing("session.getStreams");
  }

  #notConnected(): Error {
    return new Error(`${ERROR_INFO.INVALID_SESSION_STATE} ${this.status()}`);
  }

  /** Opens the socket, after a request to the load balancer if there is one. */
  #start(): void {
    const { lbUrl } = this.#options;
    if (!lbUrl) return this.#open();
    this.#balance(lbUrl).then(() => this.#open()).catch((error: unknown) => this.#fail((error as Error).message));
  }

  /** Requests the URL of the relay from the load balancer; `urlServer` is used if that fails. */
  async #balance(lbUrl: string): Promise<void> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), BALANCER_MS);
    try {
      const response = await fetch(lbUrl, { signal: limit.signal });
      const { server, ws, wss } = (await response.json()) as Record<string, unknown>;
      if (!server) throw new Error(`HTTP status ${response.status}, and no server named`);
      this.#url = this.#url.startsWith("wss:") ? `wss://${server}:${wss}` : `ws://${server}:${ws}`;
    } catch (error) {
      this.#logger.warn("session", `the load balancer gave no server, ${this.#url} is used: ${String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #policy(): string {
    return `the page's Content-Security-Policy must allow ${this.#url} in connect-src`;
  }

  /** Fails a session that has no socket. */
  #fail(info: string): void {
    if (this.#core || this.#closed) return;
    clearTimeout(this.#deadline);
    [this.#closed, this.#failed] = [true, true];
    this.#context.remove(this);
    this.#logger.error("session", info);
    this.#status(SESSION_STATUS.FAILED, { info });
  }

  #open(): void {
    if (this.#closed) return;
    clearTimeout(this.#deadline);
    const { timeout = 0, pingInterval = 0, probesInterval = 0, receiveProbes = 0 } = this.#options;
    const page = {
      connection: () => this.#connection(),
      status: (name: string, data: unknown) => this.#status(name, data),
      notice: (name: string, data: unknown) => this.#handlers.fire(name, data),
      listening: () => this.#handlers.has(SESSION_STATUS.INCOMING_CALL),
      incoming: (handle: core.CallHandle, data: CallOptions) => {
        this.#handlers.fire(SESSION_STATUS.INCOMING_CALL, this.#call(handle, data));
      },
      settle: (id: string, accepted: boolean, data: object) => this.#settle(id, accepted, data),
      remove: () => this.#context.remove(this),
    } as never;
    const left = timeout && Math.max(1, timeout - (performance.now() - this.#began));
    const opened = new core.SessionHandle(page, left, pingInterval, probesInterval, receiveProbes);
    this.#core = opened;
    addEventListener("securitypolicyviolation", this.#violation);
    try {
      opened.open(this.#url);
    } catch (error) {
      this.#core = undefined;
      if ((error as Error).name === "SyntaxError") {
        removeEventListener("securitypolicyviolation", this.#violation);
        this.#context.remove(this);
        throw error;
      }
      // Firefox throws where other browsers report a failed socket.
      const info = `The browser refused ${this.#url} (${String(error)}): ${this.#policy()}, and a page from https needs wss:`;
      setTimeout(() => this.#fail(info));
    }
  }

  #status(name: string, given: unknown): void {
    removeEventListener("securitypolicyviolation", this.#violation);
    const data = given ?? (name === SESSION_STATUS.FAILED && this.#forbidden ? { info: this.#policy() } : undefined);
    this.#logger.info("session", `${this.#id} ${name}`);
    if (name === SESSION_STATUS.CONNECTED) this.#logger.setConnection((logs) => this.#core?.pushLogs(logs));
    if (name === SESSION_STATUS.DISCONNECTED || name === SESSION_STATUS.FAILED) {
      this.#logger.setConnection(null);
      this.#data.forEach(({ reject }) => reject(this.#notConnected()));
      this.#data.clear();
    }
    this.#handlers.fire(name, this, data);
  }

  #call(handle: core.CallHandle, options: CallOptions): Call {
    const configuration: RTCConfiguration = this.#options.mediaOptions ?? { iceServers: [] };
    configuration.bundlePolicy = "max-compat";
    const quiet = this.#options.appKey === "clickToCallApp";
    const login = (): string | undefined => (quiet ? "" : this.#core?.login());
    return new Call(handle, options, { login, configuration, logger: this.#logger });
  }

  #connection(): Record<string, unknown> {
    const { appKey = "defaultApp", keepAlive, authToken, custom, sipOptions, sendClientInfo = true } = this.#options;
    const fields: Record<string, unknown> = {
      appKey,
      mediaProviders: this.#context.providers,
      keepAlive,
      authToken,
      clientVersion: "2.0",
      clientOSVersion: navigator.appVersion,
      clientBrowserVersion: navigator.userAgent,
      msePacketizationVersion: 2,
      custom,
      clientInfo: sendClientInfo ? this.#context.clientInfo() : undefined,
    };
    if (sipOptions) {
      for (const [option, name] of Object.entries(SIP_FIELDS)) fields[name] = sipOptions[option as keyof SipOptions];
    }
    return fields;
  }

  #settle(id: string, accepted: boolean, data: object): void {
    const settle = this.#data.get(id);
    this.#data.delete(id);
    const status: Record<string, unknown> = { ...data };
    delete status["operationId"];
    if (accepted) settle?.resolve(status);
    else settle?.reject(status);
  }
}
