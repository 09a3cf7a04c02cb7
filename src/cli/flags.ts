// The flags of each subcommand as commander gives them.

export interface RunFlags {
  readonly master?: string | undefined;
  readonly conf?: readonly string[];
  readonly secretFile?: string | undefined;
  readonly tls?: string | undefined;
  readonly progress: boolean;
  readonly summary?: boolean;
  /** With summary. */
  readonly json?: boolean;
}

export interface ShellFlags extends RunFlags {
  readonly eval?: string;
  readonly rows: string;
}

export interface MasterFlags {
  readonly host: string;
  readonly port: string;
  readonly advertise?: string;
  readonly secretFile?: string;
  readonly tls?: string;
  readonly insecure?: boolean;
  readonly eventLogDir?: string;
}

export interface DecommissionFlags {
  readonly master: string;
  readonly secretFile?: string;
  readonly tls?: string;
  readonly timeout?: string;
  /** --no-wait: false. */
  readonly wait: boolean;
  readonly json?: boolean;
}

export interface KillFlags {
  readonly master: string;
  readonly secretFile?: string;
  readonly tls?: string;
  readonly job?: string;
  readonly reason?: string;
  readonly json?: boolean;
}

export interface ExampleFlags extends RunFlags {
  readonly json?: boolean;
}

export interface WorkerFlags {
  readonly master: string;
  readonly role: string;
  readonly slots?: string;
  readonly memory?: string;
  readonly localDir?: string;
  readonly host: string;
  readonly port: string;
  readonly advertise?: string;
  readonly node?: string;
  readonly id?: string;
  readonly secretFile?: string;
  readonly tls?: string;
  readonly insecure?: boolean;
  readonly masterTimeout: string;
}

export interface StatusFlags {
  /** One of the two: of a running master, or of sessions that have ended; true: all of them. */
  readonly master?: string;
  readonly history?: string | true;
  readonly eventLogDir?: string;
  readonly limit?: string;
  readonly secretFile?: string;
  readonly tls?: string;
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly interval: string;
}

export interface ConfigFlags {
  readonly master?: string;
  readonly conf?: readonly string[];
  readonly json?: boolean;
}

export interface CertsFlags {
  readonly out: string;
  readonly hosts: string;
  readonly ca?: string;
  readonly days: string;
}
