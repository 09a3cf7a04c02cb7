// The flags of each subcommand as commander gives them.

export interface RunFlags {
  readonly master?: string;
  readonly conf?: readonly string[];
  readonly secretFile?: string;
  readonly tls?: string;
  readonly progress: boolean;
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
  readonly master: string;
  readonly secretFile?: string;
  readonly tls?: string;
  readonly json?: boolean;
}

export interface ConfigFlags {
  readonly conf?: readonly string[];
  readonly json?: boolean;
}

export interface CertsFlags {
  readonly out: string;
  readonly hosts: string;
  readonly ca?: string;
  readonly days: string;
}
