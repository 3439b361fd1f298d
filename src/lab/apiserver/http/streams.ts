import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

import { isObject, listAt, stringAt } from '../json-value.ts';
import type { RoutedRequest } from '../rest/handler.ts';
import { keyOf, type Core } from '../server-core.ts';
import { badRequest, notFound } from '../status.ts';
import type { StoredObject } from '../storage/store.ts';
import type { StreamOptions } from '../streams/handle-stream.ts';

/** Requests that end at a pod's kubelet. The code that carries them is loaded with the first one. */
export interface Streams {
  request(request: IncomingMessage, response: ServerResponse, routed: RoutedRequest): Promise<void>;
  upgrade(
    request: IncomingMessage,
    connection: { socket: Duplex; head: Buffer; routed: RoutedRequest },
  ): Promise<void>;
}

export function createStreams({ store }: Core, dialKubelet: (nodeName: string) => Duplex): Streams {
  function locate({ kind, namespace, name }: RoutedRequest): { pod: StoredObject; dial: () => Duplex } {
    const pod = store.get(keyOf({ kind, namespace, name }));
    if (pod === undefined) throw notFound(kind, name);
    const nodeName = stringAt(pod, 'spec', 'nodeName');
    if (nodeName === '') throw badRequest(`pod ${name} does not have a host assigned`);
    return { pod, dial: () => dialKubelet(nodeName) };
  }

  return {
    async request(request, response, routed) {
      if (routed.subresource !== 'log') throw badRequest('Upgrade request required');
      const { pod, dial } = locate(routed);
      const container = containerOf(pod, routed.query['container'] ?? '');
      const { proxyLogs } = await import('../streams/logs.ts');
      proxyLogs(request, response, { namespace: routed.namespace, pod: routed.name, container, dial });
    },
    async upgrade(request, { socket, head, routed }) {
      const { pod, dial } = locate(routed);
      const target = targetOf(pod, routed);
      const { handleStream } = await import('../streams/handle-stream.ts');
      handleStream(request, socket, head, { target, dial });
    },
  };
}

function targetOf(
  pod: StoredObject,
  { namespace, name, subresource, query }: RoutedRequest,
): StreamOptions['target'] {
  if (subresource === 'portforward') return { kind: 'portforward', namespace, pod: name };
  if (subresource !== 'exec' && subresource !== 'attach')
    throw badRequest('this subresource is not a stream');
  const phase = stringAt(pod, 'status', 'phase');
  if (phase === 'Succeeded' || phase === 'Failed') {
    throw badRequest(`cannot exec into a container in a completed pod; current phase is ${phase}`);
  }
  return { kind: subresource, namespace, pod: name, container: containerOf(pod, query['container'] ?? '') };
}

/** The container asked for, or the pod's only one. @throws StatusError 400 */
function containerOf(pod: StoredObject, asked: string): string {
  const { name: podName } = pod.metadata;
  const names = (member: string): string[] =>
    listAt(pod, 'spec', member)
      .filter(isObject)
      .map((container) => stringAt(container, 'name'));
  const containers = names('containers');
  const inits = names('initContainers');
  const all = [...containers, ...inits, ...names('ephemeralContainers')];
  if (asked !== '') {
    if (all.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${podName}`);
  }
  const [only] = containers;
  if (only !== undefined && all.length === 1) return only;
  const choice = inits.length === 0 ? '' : ` or one of the init containers: [${inits.join(' ')}]`;
  throw badRequest(
    `a container name must be specified for pod ${podName}, choose one of: [${containers.join(' ')}]${choice}`,
  );
}
