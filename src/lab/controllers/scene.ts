/** What the tests of controllers share: a fake API server, a fake clock, and pods that become ready at once. */
import { Client } from '../../cluster/client.ts';
import { createFakeClock, settle, type FakeClock } from '../../cluster/clock.ts';
import { createFakeTransport, type FakeTransport } from '../../cluster/fake-transport.ts';
import { pods } from '../../cluster/resources.ts';
import type { Node, Pod, PodTemplateSpec, Service } from '../../model/objects.ts';
import type { Controller, ControllerContext } from './controller.ts';
import { createInformers, type Informers } from './informers.ts';

export interface ControllerScene {
  readonly transport: FakeTransport;
  readonly client: Client;
  readonly clock: FakeClock;
  readonly informers: Informers;
  readonly reports: string[];
  /** Lets the controllers work until nothing more is asked of the server. */
  quiet(): Promise<void>;
  /** What was asked of the server since the last call, without reads and events: `POST /api/v1/…`. */
  writes(): string[];
  stop(): Promise<void>;
}

export async function startControllers(
  create: (context: ControllerContext) => readonly Controller[],
): Promise<ControllerScene> {
  const clock = createFakeClock();
  const transport = createFakeTransport({ now: () => clock.now() });
  const client = new Client(transport);
  const reports: string[] = [];
  const informers = createInformers(client, {
    clock,
    onError: (error) => reports.push(String(error)),
  });
  const stop = new AbortController();
  const context: ControllerContext = {
    client,
    informers,
    clock,
    report: (message) => reports.push(message),
  };
  const controllers = create(context);
  const watching = Object.values(informers).map((informer) => informer.run(stop.signal));
  await Promise.all(Object.values(informers).map(({ synced }) => synced));
  const running = controllers.map((controller) => controller.run(stop.signal));
  let seen = transport.requests.length;
  await settle();

  return {
    transport,
    client,
    clock,
    informers,
    reports,
    async quiet() {
      let [before, still] = [-1, 0];
      while (still < 3) {
        await clock.advance(25);
        still = transport.requests.length === before ? still + 1 : 0;
        before = transport.requests.length;
      }
    },
    writes() {
      const writes = transport.requests
        .slice(seen)
        .filter(({ method, path }) => method !== 'GET' && !path.includes('/events'))
        .map(({ method, path }) => `${method} ${path}`);
      seen = transport.requests.length;
      return writes;
    },
    async stop() {
      stop.abort();
      await Promise.all([...running, ...watching]);
    },
  };
}

/** Stands in for the scheduler and kubelets: every pod gets a node, an address and becomes ready. */
export async function makeReady(client: Client, filter: (pod: Pod) => boolean = () => true): Promise<void> {
  const { items } = await client.list(pods);
  for (const [index, pod] of items.entries()) {
    if (pod.status?.phase !== undefined || !filter(pod)) continue;
    await client.update(pods, { ...pod, spec: { containers: [], ...pod.spec, nodeName: 'node-1' } });
    const current = await client.get(pods, nameOf(pod));
    await client.updateStatus(pods, { ...current, status: readyStatus(`10.244.1.${index + 1}`) });
  }
}

/** Ends what is being deleted, as a kubelet does. */
export async function endTerminating(client: Client): Promise<void> {
  for (const pod of (await client.list(pods)).items)
    if (pod.metadata?.deletionTimestamp) await client.delete(pods, nameOf(pod), { gracePeriodSeconds: 0 });
}

export function nameOf({ metadata }: { metadata?: { namespace?: string; name?: string } }): {
  namespace: string;
  name: string;
} {
  return { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' };
}

export function readyStatus(ip: string, ready = true): NonNullable<Pod['status']> {
  return {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [
      { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' },
    ],
  };
}

export interface PodOptions {
  readonly ip?: string;
  readonly ready?: boolean;
  readonly labels?: Record<string, string>;
  readonly nodeName?: string;
  readonly terminating?: boolean;
  readonly spec?: Partial<NonNullable<Pod['spec']>>;
}

/** A pod as the API server would show it. */
export function testPod(name: string, options: PodOptions = {}): Pod {
  const { ip, ready = true, labels = { app: 'web' }, nodeName = 'node-1', terminating, spec } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: `uid-${name}`,
      labels,
      ...(terminating && { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    },
    spec: { containers: [], nodeName, ...spec },
    ...(ip && { status: readyStatus(ip, ready) }),
  };
}

export function testService(spec: Service['spec'], labels?: Record<string, string>): Service {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'uid-service', ...(labels && { labels }) },
    spec: {
      selector: { app: 'web' },
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, targetPort: 8080 }],
      ...spec,
    },
  };
}

export function testNode(name: string, ready: 'True' | 'False' | 'Unknown' = 'True'): Node {
  return {
    metadata: { name },
    status: { conditions: [{ type: 'Ready', status: ready, lastHeartbeatTime: '2026-01-01T00:00:00Z' }] },
  };
}

export function testTemplate(image: string): PodTemplateSpec {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image }] } };
}
