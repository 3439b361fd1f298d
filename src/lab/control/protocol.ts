/**
 * The lab's control socket: lines of JSON over an abstract unix socket, which the kernel removes with the process.
 * unix(7). Only the lab's own user is answered, and a client believes only its own user.
 */
import type { MtuReport } from '../../cni/mtu-check.ts';
import type { DnsLogPage, DnsTop } from '../../dns/observe/look.ts';
import type { ErrorDetails } from '../../model/errors.ts';
import type { Observation } from '../../trace/observe.ts';
import type { Trace } from '../../trace/trace.ts';
import type { DnsReply } from '../dns-ask.ts';
import type { LookupAnswer } from '../lookup.ts';

/** A namespace of the lab, and the file by which another process can enter it. */
export interface LabNamespace {
  readonly name: string;
  readonly kind: 'node' | 'world' | 'switch';
  /** One of each IP family of the cluster. */
  readonly addresses: readonly string[];
  /** Of the namespace, seen in the lab's own /proc: `/proc/1/fd/23`. */
  readonly fd: number;
}

export interface LabInfo {
  readonly name: string;
  /** Where the lab keeps its files, within its own root: `/run/podnet`. */
  readonly runtimeDirectory: string;
  readonly server: string;
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  readonly clusterDomain: string;
  readonly startedAt: string;
  readonly namespaces: readonly LabNamespace[];
}

export type OnNode<T> = T & { readonly node: string };

/** What a client may ask, and what it gets. */
export interface ControlMethods {
  /** Resolves when the API server answers and the nodes are starting. */
  info: { params: Record<string, never>; result: LabInfo };
  /** Ties the lab's life to this connection: when it closes, the lab ends. */
  own: { params: Record<string, never>; result: null };
  /** Answers, then ends the lab. The connection closes when all is gone. */
  stop: { params: Record<string, never>; result: null };
  /** Sends a real packet along a predicted trace and tells what the kernel did. */
  observe: { params: { trace: Trace }; result: Observation };
  /** Asks a name server from within a pod, `namespace/name`. */
  lookup: { params: { pod: string; name: string; server: string }; result: LookupAnswer };
  /** Sends one question from within a pod, `namespace/name`; null when the pod runs nowhere. */
  dnsAsk: { params: { pod: string; name: string; type: number; server: string }; result: DnsReply | null };
  /** Who asks each node's DNS, counted as long as this is asked again within ten seconds. */
  dnsTop: { params: { limit: number }; result: readonly OnNode<DnsTop>[] };
  /** Questions and answers of each node since what `next` said, by node. */
  dnsLog: { params: { from: Readonly<Record<string, number>> }; result: readonly OnNode<DnsLogPage>[] };
  /** Reads the MTU of every interface on the pods' ways, and sends packets of full size. */
  checkMtu: { params: Record<string, never>; result: MtuReport };
}

export type ControlMethod = keyof ControlMethods;

export interface ControlRequest<M extends ControlMethod = ControlMethod> {
  readonly id: number;
  readonly method: M;
  readonly params: ControlMethods[M]['params'];
}

export interface ControlError extends ErrorDetails {
  readonly message: string;
}

export interface ControlResponse {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: ControlError;
}

/** More than any message needs; a longer line ends the connection. */
export const maxLineBytes = 8 << 20;

const prefix = (uid: number): string => `podnet/${uid}/`;

/** The abstract address (leading NUL) of a cluster's control socket. `uid` is the owner's, outside. */
export function controlAddress(uid: number, name: string): string {
  return `\0${prefix(uid)}${name}`;
}

/** Names of this user's clusters in the text of /proc/net/unix, where an abstract address begins with `@`. */
export function clusterNames(procNetUnix: string, uid: number): string[] {
  const marker = `@${prefix(uid)}`;
  const names = procNetUnix
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf(' ') + 1))
    .filter((address) => address.startsWith(marker))
    .map((address) => address.slice(marker.length).replaceAll('@', ''));
  return [...new Set(names)].sort();
}

/** Calls `onLine` for every complete line; throws away the connection's text when one is too long. */
export function lineSplitter(
  onLine: (line: string) => void,
  onOverflow: () => void,
): (chunk: string) => void {
  let rest = '';
  return (chunk) => {
    rest += chunk;
    const parts = rest.split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > maxLineBytes) {
      rest = '';
      onOverflow();
      return;
    }
    for (const line of parts) if (line !== '') onLine(line);
  };
}
