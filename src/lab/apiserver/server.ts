import type { Duplex } from 'node:stream';

import type { Transport } from '../../cluster/transport.ts';
import type { User } from './auth/user.ts';
import type { Pki } from './pki.ts';

export interface StaticToken {
  readonly token: string;
  readonly user: User;
}

export interface ApiServerOptions {
  /** The SQLite file, or `:memory:`. */
  readonly databasePath: string;
  readonly pki: Pki;
  /** A fresh connection to a node's kubelet; destroyed with an error when the node does not answer. */
  readonly dialKubelet: (nodeName: string) => Duplex;
  /** One IPv4 or IPv6 CIDR, or two of different families, the primary first: `10.96.0.0/16`. */
  readonly serviceCidr: string | readonly string[];
  /** `30000-32767` unless told. */
  readonly nodePortRange?: string;
  /** Where pods reach this server: the endpoint of the Service default/kubernetes. */
  readonly advertise: { readonly address: string; readonly port: number };
  /** Of Kubernetes, as `/version` reports it: `v1.34.0+podnet`. */
  readonly version?: string;
  readonly tokens?: readonly StaticToken[];
  /** Called once for every error that is the server's own fault. */
  readonly onError?: (error: unknown, where: string) => void;
}

export interface Listening {
  readonly port: number;
  readonly ready: Promise<void>;
}

export interface ApiServer {
  /**
   * A way in for callers of the same process, as `system:masters` unless told. Objects are shared by reference in
   * answers and watch events; what a caller sends is copied.
   */
  transport(user?: User): Transport;
  /** Binds at once, in the calling thread's network namespace, and may be called for several addresses. */
  listen(where: { readonly host?: string; readonly port: number } | { readonly fd: number }): Listening;
  close(): Promise<void>;
}

export function createApiServer(_options: ApiServerOptions): ApiServer {
  throw new Error('not yet');
}
