/** A kubelet with a real pod network in the test's own namespaces, and an API server in memory. */
import { mkdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import http from 'node:http';
import { Client } from '../../src/cluster/client.ts';
import { createFakeTransport, type FakeTransport } from '../../src/cluster/fake-transport.ts';
import { events, pods, type Resource } from '../../src/cluster/resources.ts';
import { createPodNetwork } from '../../src/cni/podnet.ts';
import { mount } from '../../src/kernel/ffi.ts';
import type { Transport } from '../../src/cluster/transport.ts';
import { currentNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { createKubelet, type Kubelet } from '../../src/lab/kubelet/kubelet.ts';
import type { Event, KubeObject, Pod, PodSpec } from '../../src/model/objects.ts';

export interface KubeletLab {
  readonly client: Client;
  readonly transport: FakeTransport;
  readonly kubelet: Kubelet;
  /** Cuts the kubelet off from the API server: what it asks fails, its watches break. */
  silence(isSilent: boolean): void;
  /** Creates a pod bound to the node. */
  run(name: string, spec: Partial<PodSpec>): Promise<Pod>;
  pod(name: string): Promise<Pod | undefined>;
  /** Waits until the pod is as told, at most `timeoutMs`. */
  until(name: string, is: (pod: Pod | undefined) => boolean, timeoutMs?: number): Promise<Pod>;
  events(name: string): Promise<Event[]>;
  untilEvent(name: string, is: (event: Event) => boolean): Promise<Event>;
  dial(): Socket;
  get(path: string): Promise<{ status: number; body: string }>;
  stop(): Promise<void>;
}

let isMounted = false;

export async function startKubeletLab(): Promise<KubeletLab> {
  if (!isMounted) mount('/run', { source: 'tmpfs', type: 'tmpfs' });
  isMounted = true;
  const runtimeDirectory = '/run/podnet';
  mkdirSync(`${runtimeDirectory}/nodes/node-1`, { recursive: true });
  const rtnl = openRtnl({});
  rtnl.setLink('lo', { up: true });
  rtnl.addAddress({ link: 'lo', address: '172.18.0.2', prefixLength: 32 });
  rtnl.close();
  const transport = createFakeTransport();
  const client = new Client(transport);
  const podNetwork = createPodNetwork({
    podCidr: '10.244.0.0/16',
    nodeAddresses: ['172.18.0.2'],
    databasePath: ':memory:',
    mtuBytes: 1500,
  });
  const errors: unknown[] = [];
  const line = createLine(transport);
  const kubelet = createKubelet({
    client: new Client(line.transport),
    nodeName: 'node-1',
    nodeAddresses: ['172.18.0.2'],
    netns: currentNetns(),
    podNetwork,
    runtimeDirectory,
    clusterDns: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    onError: (error) => errors.push(error),
  });
  const stopping = new AbortController();
  const running = kubelet.run(stopping.signal);
  await kubelet.ready;

  async function poll<T>(what: string, ask: () => Promise<T | undefined>, timeoutMs: number): Promise<T> {
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (Date.now() > deadlineMs)
        throw new Error(`timed out: ${what}; errors: ${errors.map(String).join('; ')}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
  const list = async <T extends KubeObject>(resource: Resource<T>): Promise<readonly T[]> =>
    (await client.list(resource, { namespace: 'shop' })).items;
  const lab: KubeletLab = {
    client,
    transport,
    kubelet,
    silence: (isSilent) => line.cut(isSilent),
    run: (name, spec) =>
      client.create(pods, {
        metadata: { namespace: 'shop', name },
        spec: {
          nodeName: 'node-1',
          restartPolicy: 'Always',
          terminationGracePeriodSeconds: 30,
          containers: [],
          ...spec,
        },
      }),
    pod: async (name) => (await list(pods)).find(({ metadata }) => metadata?.name === name),
    async until(name, is, timeoutMs = 10_000) {
      let last: Pod | undefined;
      try {
        const found = await poll(
          `pod ${name}`,
          async () => {
            last = await lab.pod(name);
            return is(last) ? { pod: last ?? {} } : undefined;
          },
          timeoutMs,
        );
        return found.pod;
      } catch (error) {
        throw new Error(`pod ${name} is ${JSON.stringify(last?.status, undefined, 1)}`, { cause: error });
      }
    },
    events: async (name) => (await list(events)).filter(({ involvedObject }) => involvedObject.name === name),
    untilEvent: (name, is) =>
      poll(`event of ${name}`, async () => (await lab.events(name)).find((event) => is(event)), 10_000),
    dial: () => connect(kubelet.socketPath),
    get: (path) =>
      new Promise((resolve, reject) => {
        http
          .get({ socketPath: kubelet.socketPath, path }, (response) => {
            let body = '';
            response.setEncoding('utf8').on('data', (text: string) => (body += text));
            response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
          })
          .on('error', reject);
      }),
    async stop() {
      stopping.abort();
      await running;
      podNetwork.close();
    },
  };
  return lab;
}

/** A transport that can be cut. */
function createLine(transport: Transport): { transport: Transport; cut(isCut: boolean): void } {
  let cutting = new AbortController();
  const broken = new Error('no route to host');
  return {
    cut(isCut) {
      if (isCut) cutting.abort(broken);
      else cutting = new AbortController();
    },
    transport: {
      async request(request) {
        cutting.signal.throwIfAborted();
        return transport.request(request);
      },
      async *watch(request) {
        const { signal } = cutting;
        signal.throwIfAborted();
        const signals = [signal, ...(request.signal ? [request.signal] : [])];
        yield* transport.watch({ ...request, signal: AbortSignal.any(signals) });
        if (signal.aborted) throw broken;
      },
      close: () => transport.close(),
    },
  };
}

export function isReady(pod: Pod | undefined): boolean {
  return pod?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}
