import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** A container to run a command in or to attach to; the server has resolved the container and the node. */
export interface ContainerStream {
  readonly kind: 'exec' | 'attach';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export interface PortForwardStream {
  readonly kind: 'portforward';
  readonly namespace: string;
  readonly pod: string;
}

export interface StreamOptions {
  readonly target: ContainerStream | PortForwardStream;
  /** A fresh connection to the kubelet of the pod's node. */
  readonly dial: () => Duplex;
}

/**
 * Serves an upgrade request for exec, attach or port-forward, once the server has let the user in: WebSocket
 * (v5.channel.k8s.io, v4.channel.k8s.io, SPDY/3.1+portforward.k8s.io) or SPDY/3.1. Command, stdin, tty and the like
 * are read from the request's query. Answers every failure itself.
 */
export function handleStream(
  _request: IncomingMessage,
  _socket: Duplex,
  _head: Buffer,
  _options: StreamOptions,
): void {
  throw new Error('not yet');
}

export interface LogOptions {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly dial: () => Duplex;
}

/** Serves a `log` request: passes the query's options to the kubelet and its answer back as it comes. */
export function proxyLogs(_request: IncomingMessage, _response: ServerResponse, _options: LogOptions): void {
  throw new Error('not yet');
}
