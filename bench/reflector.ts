/**
 * 10,000 pods listed over HTTPS by an informer, in a fresh process, compared with a process that fetches the same bytes
 * in one answer and parses them with nothing but JSON.parse. The server is a third process.
 */
import { fork, spawnSync } from 'node:child_process';
import { createServer } from 'node:https';
import { Client } from '../src/cluster/client.ts';
import { createHttpsTransport } from '../src/cluster/https-transport.ts';
import { createInformer } from '../src/cluster/informer.ts';
import { pods } from '../src/cluster/resources.ts';
import { createPki } from '../src/lab/apiserver/pki.ts';
import type { Pod } from '../src/model/objects.ts';
import type { BenchRow } from './row.ts';

const count = 10_000;

interface Served {
  readonly server: string;
  readonly ca: string;
}

interface Outcome {
  readonly milliseconds: number;
  readonly rssMegabytes: number;
  readonly objects: number;
}

type Role = 'informer' | 'lean informer' | 'JSON.parse';

/** A pod as a Deployment's pods look on a real cluster, its managed fields included: about 4.5 KB of JSON. */
function podJson(index: number): string {
  const name = `frontend-6c8f7d9b5-${index.toString(36).padStart(5, '0')}`;
  const ip = `10.244.${index >> 8}.${index & 255}`;
  const time = '2026-01-01T00:00:00Z';
  const fields = (names: readonly string[]): object =>
    Object.fromEntries(names.map((each) => [`f:${each}`, { '.': {}, 'f:value': {}, 'f:name': {} }]));
  const pod = {
    metadata: {
      name,
      generateName: 'frontend-6c8f7d9b5-',
      namespace: `team-${index % 20}`,
      uid: `4f1c2d3e-0000-4000-8000-${index.toString(16).padStart(12, '0')}`,
      resourceVersion: String(index + 1),
      creationTimestamp: time,
      labels: { app: 'frontend', tier: 'web', 'pod-template-hash': '6c8f7d9b5' },
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: 'frontend-6c8f7d9b5',
          uid: 'b7',
          controller: true,
        },
      ],
      managedFields: ['kube-controller-manager', 'kubelet'].map((manager) => ({
        manager,
        operation: 'Update',
        apiVersion: 'v1',
        time,
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': fields(['generateName', 'labels', 'ownerReferences']),
          'f:spec': fields(['containers', 'dnsPolicy', 'restartPolicy', 'schedulerName', 'securityContext']),
          'f:status': fields(['conditions', 'containerStatuses', 'hostIP', 'phase', 'podIP', 'startTime']),
        },
      })),
    },
    spec: {
      containers: ['web', 'metrics'].map((container, at) => ({
        name: container,
        image: `registry.example/${container}:1.2.3`,
        ports: [{ name: 'http', containerPort: 8080 + at, protocol: 'TCP' }],
        env: [
          { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
        ],
        resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '200m', memory: '128Mi' } },
        readinessProbe: { httpGet: { path: '/healthz', port: 8080 + at, scheme: 'HTTP' }, periodSeconds: 10 },
        volumeMounts: [{ name: 'token', readOnly: true, mountPath: '/var/run/secrets/kubernetes.io' }],
      })),
      nodeName: `node-${index % 100}`,
      serviceAccountName: 'default',
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }],
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      hostIP: `172.18.0.${index % 100}`,
      startTime: time,
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: time,
      })),
      containerStatuses: ['web', 'metrics'].map((container) => ({
        name: container,
        ready: true,
        restartCount: 0,
        state: { running: { startedAt: time } },
        containerID: `containerd://${'0123456789abcdef'.repeat(4)}`,
      })),
    },
  };
  return JSON.stringify(pod);
}

/** Serves the list in pages and a watch that stays silent. Tells its parent where. */
function serve(): void {
  const pki = createPki({ hosts: ['127.0.0.1', 'localhost'] });
  const items = Array.from({ length: count }, (_, index) =>
    Buffer.from(`${index === 0 ? '' : ','}${podJson(index)}`),
  );
  const server = createServer({ key: pki.server.key, cert: pki.server.certificate }, (request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'https://localhost');
    response.setHeader('content-type', 'application/json');
    if (searchParams.has('watch')) return response.flushHeaders();
    const start = Number(searchParams.get('continue') ?? 0);
    const end = Math.min(count, start + Number(searchParams.get('limit') ?? count));
    const next = end < count ? `,"continue":"${end}"` : '';
    response.write(
      `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"${count}"${next}},"items":[`,
    );
    const page = Buffer.concat(items.slice(start, end));
    response.write(start > 0 ? page.subarray(1) : page);
    response.end(']}');
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    process.send?.({ server: `https://127.0.0.1:${port}`, ca: pki.ca } satisfies Served);
  });
}

const keepFew = ({ metadata = {}, spec, status }: Pod): Pod => ({
  metadata: {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? '',
    resourceVersion: metadata.resourceVersion ?? '',
    labels: metadata.labels ?? {},
  },
  spec: { containers: [], nodeName: spec?.nodeName ?? '' },
  status: { podIPs: status?.podIPs ?? [] },
});

async function measure(role: Role, { server, ca }: Served): Promise<Outcome> {
  const transport = createHttpsTransport({ server, ca, namespace: 'default' });
  const client = new Client(transport);
  const started = performance.now();
  const stop = new AbortController();
  let objects = 0;
  let ended: Promise<void> = Promise.resolve();
  let kept: unknown;
  if (role === 'JSON.parse') {
    const { body } = await transport.request({ method: 'GET', path: '/api/v1/pods' });
    objects = (body as { items: unknown[] }).items.length;
    kept = body;
  } else {
    const informer = createInformer(client, pods, role === 'informer' ? {} : { transform: keepFew });
    ended = informer.run(stop.signal);
    await informer.synced;
    objects = informer.size;
    kept = informer;
  }
  const milliseconds = performance.now() - started;
  const rssMegabytes = process.memoryUsage.rss() / 1e6;
  stop.abort();
  await ended;
  transport.close();
  if (!kept) throw new Error('unreachable: keeps the objects alive until the memory is read');
  return { milliseconds, rssMegabytes, objects };
}

/** The best of three fresh processes: the machine may be busy with something else. */
function inProcess(role: Role, served: Served): Outcome {
  const runs = Array.from({ length: 3 }, () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', import.meta.filename, role, JSON.stringify(served)],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (status !== 0) throw new Error(`the process "${role}" failed with exit code ${status}`);
    return JSON.parse(stdout) as Outcome;
  });
  const [best] = runs.sort((a, b) => a.milliseconds - b.milliseconds);
  if (best?.objects !== count) throw new Error(`"${role}" saw ${best?.objects} of ${count} pods`);
  return best;
}

export async function rows(): Promise<BenchRow[]> {
  const server = fork(import.meta.filename, ['serve'], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    const served = await new Promise<Served>((resolve, reject) => {
      server.once('message', (message) => resolve(message as Served));
      server.once('exit', (code) => reject(new Error(`the server ended with exit code ${code}`)));
    });
    const plain = inProcess('JSON.parse', served);
    const lean = inProcess('lean informer', served);
    const whole = inProcess('informer', served);
    const milliseconds = (figure: string, value: number, limit?: number): BenchRow => ({
      figure: `10,000 pods listed by ${figure}`,
      value,
      unit: 'ms',
      comparedWith: `one answer through JSON.parse: ${plain.milliseconds.toFixed(0)} ms`,
      ratio: value / plain.milliseconds,
      target: limit === undefined ? 'less than that' : `≤ ${limit} ms`,
      ok: value <= (limit ?? plain.milliseconds),
    });
    const megabytes = (figure: string, value: number, limit?: number): BenchRow => ({
      figure: `10,000 pods held by ${figure}, RSS`,
      value,
      unit: 'MB',
      comparedWith: `one answer through JSON.parse: ${plain.rssMegabytes.toFixed(0)} MB`,
      ratio: value / plain.rssMegabytes,
      target: limit === undefined ? 'less than that' : `≤ ${limit} MB`,
      ok: value <= (limit ?? plain.rssMegabytes),
    });
    return [
      milliseconds('an informer with a transform', lean.milliseconds, 600),
      megabytes('an informer with a transform', lean.rssMegabytes, 175),
      milliseconds('an informer of whole objects', whole.milliseconds),
      megabytes('an informer of whole objects', whole.rssMegabytes),
    ];
  } finally {
    server.kill();
  }
}

const [, , role, served] = process.argv;
if (import.meta.main && role === 'serve') serve();
else if (import.meta.main)
  process.stdout.write(JSON.stringify(await measure(role as Role, JSON.parse(served ?? '{}') as Served)));
