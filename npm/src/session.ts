// A session, as a page sees it.

import { Call, NO_OPTIONS, type CallOptions } from "./call.js";
import { ERROR_INFO, SESSION_STATUS } from "./constants.js";
import { core, whenReady } from "./core.js";
import { Handlers, missing, uuid, type Handler } from "./events.js";
import { Logger, type LoggerOptions } from "./logger.js";

/** The account; in local mode the login alone. */
export interface SipOptions {
  login?: string;
  authenticationName?: string;
  password?: string;
  domain?: string;
  outboundProxy?: string;
  proxy?: string;
  port?: string | number;
  registerRequired?: boolean;
}

/** Options of `createSession`. Times are milliseconds. */
export interface SessionOptions {
  urlServer: string;
  authToken?: string;
  keepAlive?: boolean;
  appKey?: string;
  custom?: unknown;
  sipOptions?: SipOptions;
  mediaOptions?: RTCConfiguration;
  timeout?: number;
  pingInterval?: number;
  receiveProbes?: number;
  probesInterval?: number;
  sendClientInfo?: boolean;
  lbUrl?: string;
  logger?: LoggerOptions | null;
}

/** A status of a session. */
export type SessionStatus = keyof typeof SESSION_STATUS;

/** What the relay tells of an accepted session. */
export interface UserData {
  authToken?: string;
  sipLogin?: string;
  demo?: boolean;
  [field: string]: unknown;
}

/** What a session needs of the module. */
export interface SessionContext {
  providers: string[];
  clientInfo: () => unknown;
  logger: Logger;
  add(session: Session): void;
  remove(session: Session): void;
}

type Settle = { resolve: (status: unknown) => void; reject: (status: unknown) => void };

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

/** A session: one socket to the relay. */
export class Session {
  #id = uuid();
  #core: core.Session | undefined;
  #closed = false;
  #options: SessionOptions;
  #context: SessionContext;
  #handlers = new Handlers();
  #logger: Logger;
  #data = new Map<string, Settle>();

  /** @internal */
  constructor(options: SessionOptions, context: SessionContext) {
    if (options.lbUrl) throw missing("createSession with lbUrl");
    this.#options = options;
    this.#context = context;
    this.#logger = options.logger === undefined ? context.logger : new Logger(options.logger);
    context.add(this);
    whenReady(() => {
      if (!this.#closed) this.#open();
    });
  }

  /** Sets the handler of an event; the last one wins. */
  on(event: "INCOMING_CALL", callback: (call: Call) => void): this;
  on(event: "ESTABLISHED", callback: (session: Session, data: UserData) => void): this;
  on(event: "WARN" | "APP_DATA" | "DEBUG", callback: (data: Record<string, unknown>) => void): this;
  on(event: SessionStatus, callback: (session: Session, data?: unknown) => void): this;
  on(event: string, callback: Handler): this {
    this.#handlers.set(event, callback, Error);
    return this;
  }

  id(): string {
    return this.#id;
  }

  status(): SessionStatus {
    return (this.#core?.status() ?? SESSION_STATUS.PENDING) as SessionStatus;
  }

  getServerUrl(): string {
    return this.#options.urlServer;
  }

  getLogger(): Logger {
    return this.#logger;
  }

  /** A call to be made with `call.call()`. */
  createCall(options: CallOptions): Call {
    if (!this.#core?.takesCalls()) throw new Error(`${ERROR_INFO.INVALID_SESSION_STATE} ${this.status()}`);
    if (!options) throw new TypeError(NO_OPTIONS);
    return this.#call(this.#core.createCall(options.callId ?? uuid()), options);
  }

  /** Closes the socket. */
  disconnect(): void {
    this.#closed = true;
    if (this.#core) this.#core.disconnect();
    else this.#context.remove(this);
  }

  /** Sends data to the application behind the relay. */
  sendData(payload: unknown): Promise<unknown> {
    const id = uuid();
    return new Promise((resolve, reject) => {
      this.#data.set(id, { resolve, reject });
      this.#core?.sendData(id, payload);
    });
  }

  submitBugReport(report: unknown): void {
    this.#core?.submitBugReport(report);
  }

  startDebug(): void {
    this.#logger.setPushLogs(true);
    this.#logger.setLevel("DEBUG");
    this.#core?.debug("start");
  }

  stopDebug(): void {
    this.#logger.setLevel("INFO");
    this.#core?.debug("stop");
  }

  createStream(): never {
    throw missing("session.createStream");
  }

  getStream(): never {
    throw missing("session.getStream");
  }

  getStreams(): never {
    throw missing("session.getStreams");
  }

  #open(): void {
    const { urlServer, timeout = 0, pingInterval = 0, probesInterval = 0, receiveProbes = 0 } = this.#options;
    const page = {
      connection: () => this.#connection(),
      status: (name: string, data: unknown) => this.#status(name, data),
      notice: (name: string, data: unknown) => this.#handlers.fire(name, data),
      listening: () => this.#handlers.has(SESSION_STATUS.INCOMING_CALL),
      incoming: (handle: core.Call, data: CallOptions) => {
        this.#handlers.fire(SESSION_STATUS.INCOMING_CALL, this.#call(handle, data));
      },
      settle: (id: string, accepted: boolean, data: object) => this.#settle(id, accepted, data),
      remove: () => this.#context.remove(this),
    } as never;
    this.#core = new core.Session(page, timeout, pingInterval, probesInterval, receiveProbes);
    this.#core.open(urlServer);
  }

  #status(name: string, data: unknown): void {
    this.#logger.info("session", `${this.#id} ${name}`);
    if (name === SESSION_STATUS.CONNECTED) this.#logger.setConnection((logs) => this.#core?.pushLogs(logs));
    if (name === SESSION_STATUS.DISCONNECTED || name === SESSION_STATUS.FAILED) this.#logger.setConnection(null);
    this.#handlers.fire(name, this, data);
  }

  #call(handle: core.Call, options: CallOptions): Call {
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
