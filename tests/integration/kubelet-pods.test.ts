import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { configMaps, nodes, pods, secrets } from '../../src/cluster/resources.ts';
import { isReady, startKubeletLab, type KubeletLab } from './kubelet-lab.ts';

let lab: KubeletLab;
before(async () => {
  lab = await startKubeletLab();
});
after(() => lab.stop());

function get(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get({ host, port, agent: false }, (response) => {
        let body = '';
        response.on('data', (text: Buffer) => (body += text.toString()));
        response.on('end', () => resolve(body));
      })
      .on('error', reject);
  });
}

test('createKubelet registers its Node', async () => {
  const node = await lab.client.get(nodes, { name: 'node-1' });
  assert.deepEqual(node.status?.addresses, [
    { type: 'InternalIP', address: '172.18.0.2' },
    { type: 'Hostname', address: 'node-1' },
  ]);
  assert.equal(node.status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True');
});

test('createKubelet brings up a stand-in that answers at the pod IP', async () => {
  await lab.run('web', {
    containers: [
      {
        name: 'web',
        image: 'web:1',
        ports: [{ containerPort: 8080 }],
        readinessProbe: { httpGet: { port: 8080, path: '/healthz' } },
      },
    ],
  });
  const pod = await lab.until('web', isReady);
  assert.match(pod.status?.podIP ?? '', /^10\.244\.\d+\.\d+$/);
  assert.equal(pod.status?.phase, 'Running');
  assert.deepEqual(pod.status?.hostIP, '172.18.0.2');
  const [status] = pod.status?.containerStatuses ?? [];
  assert.equal(status?.started, true);
  assert.match(status?.containerID ?? '', /^podnet:\/\/[0-9a-f]{64}$/);
  const body = await get(pod.status?.podIP ?? '', 8080);
  assert.match(body, /^pod: shop\/web\ncontainer: web \(stand-in for web:1\)\n/);
  assert.match(body, new RegExp(`address: ${pod.status?.podIP} port 8080`));
  const logs = await lab.get('/containerLogs/shop/web/web');
  assert.match(logs.body, /^Stand-in for image web:1 answers on TCP 8080\n172\.18\.0\.2:\d+ "GET \/" 200\n$/);
});

test('createKubelet runs init containers in order, then the others with their environment and volumes', async () => {
  await lab.client.create(configMaps, {
    metadata: { namespace: 'shop', name: 'settings' },
    data: { COLOR: 'blue', 'app.conf': 'x=1\n' },
  });
  const pod = await lab.run('job', {
    restartPolicy: 'Never',
    subdomain: 'jobs',
    volumes: [
      { name: 'work', emptyDir: {} },
      { name: 'conf', configMap: { name: 'settings', items: [{ key: 'app.conf', path: 'app.conf' }] } },
    ],
    initContainers: [
      {
        name: 'prepare',
        image: 'busybox',
        command: ['sh', '-c', 'echo prepared > /work/file'],
        volumeMounts: [{ name: 'work', mountPath: '/work' }],
      },
    ],
    containers: [
      {
        name: 'main',
        image: 'busybox',
        command: [
          'sh',
          '-c',
          'cat /work/file /conf/app.conf; echo $COLOR $ME $(hostname) $GREETING; grep -c nameserver /etc/resolv.conf; grep job /etc/hosts; pwd; exit 3',
        ],
        workingDir: '/data/here',
        envFrom: [{ configMapRef: { name: 'settings' } }],
        env: [
          { name: 'ME', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          { name: 'GREETING', value: 'hi-$(COLOR)-$(NOBODY)-$$(COLOR)' },
        ],
        volumeMounts: [
          { name: 'work', mountPath: '/work' },
          { name: 'conf', mountPath: '/conf' },
        ],
      },
    ],
  });
  const done = await lab.until('job', (now) => now?.status?.phase === 'Failed');
  const { podIP = '' } = done.status ?? {};
  const { body } = await lab.get('/containerLogs/shop/job/main');
  assert.equal(
    body,
    `prepared\nx=1\nblue ${podIP} job hi-blue-$(NOBODY)-$(COLOR)\n1\n${podIP}\tjob.jobs.shop.svc.cluster.local\tjob\n/data/here\n`,
  );
  assert.equal(done.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3);
  assert.equal(done.status?.initContainerStatuses?.[0]?.state?.terminated?.reason, 'Completed');
  await lab.client.delete(pods, { namespace: 'shop', name: pod.metadata?.name ?? '' });
  await lab.until('job', (now) => now === undefined);
});

test('createKubelet backs off from a container that crashes', async () => {
  await lab.run('crash', {
    containers: [{ name: 'c', image: 'busybox', command: ['sh', '-c', 'echo run; exit 1'] }],
  });
  const pod = await lab.until(
    'crash',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff',
  );
  const [status] = pod.status?.containerStatuses ?? [];
  assert.equal(status?.restartCount, 1);
  assert.match(
    status?.state?.waiting?.message ?? '',
    /^back-off 10s restarting failed container=c pod=crash_shop\(/,
  );
  assert.equal(status?.lastState?.terminated?.exitCode, 1);
  assert.equal(pod.status?.phase, 'Running');
  await lab.untilEvent('crash', ({ reason }) => reason === 'BackOff');
  assert.equal((await lab.get('/containerLogs/shop/crash/c?previous=true')).body, 'run\n');
});

test('createKubelet restarts what fails its liveness probe', async () => {
  await lab.run('alive', {
    containers: [
      {
        name: 'c',
        image: 'busybox',
        command: ['sleep', '1000'],
        livenessProbe: {
          exec: { command: ['false'] },
          periodSeconds: 1,
          failureThreshold: 1,
          terminationGracePeriodSeconds: 1,
        },
      },
    ],
  });
  const pod = await lab.until(
    'alive',
    (now) => (now?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
    12_000,
  );
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 137);
  await lab.untilEvent(
    'alive',
    ({ message }) => message === 'Container c failed liveness probe, will be restarted',
  );
});

test('createKubelet says which program is missing', async () => {
  await lab.run('missing', {
    restartPolicy: 'Never',
    containers: [{ name: 'c', image: 'x', command: ['tshark'] }],
  });
  const pod = await lab.until('missing', (now) => now?.status?.phase === 'Failed');
  const { terminated } = pod.status?.containerStatuses?.[0]?.state ?? {};
  assert.equal(terminated?.reason, 'StartError');
  assert.equal(terminated?.exitCode, 128);
  assert.match(
    terminated?.message ?? '',
    /"tshark": executable file not found in \$PATH \(.*apt-get install tshark\)/,
  );
});

test('createKubelet refuses a port that two containers of a pod want', async () => {
  await lab.run('twice', {
    restartPolicy: 'Never',
    containers: ['a', 'b'].map((name) => ({ name, image: 'x', ports: [{ containerPort: 80 }] })),
  });
  const pod = await lab.until(
    'twice',
    (now) => now?.status?.containerStatuses?.[1]?.state?.terminated !== undefined,
  );
  assert.equal(
    pod.status?.containerStatuses?.[1]?.state?.terminated?.message,
    'TCP port 80 is already in use by another container of the pod (The containers of a pod share one network: give each its own port.)',
  );
  await lab.untilEvent(
    'twice',
    ({ reason, message = '' }) => reason === 'Failed' && message.includes('TCP port 80 is already in use'),
  );
});

test('createKubelet waits for what a pod needs, and says so', async () => {
  await lab.run('waiting', {
    containers: [
      {
        name: 'c',
        image: 'busybox',
        command: ['sleep', '100'],
        env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'late', key: 'x' } } }],
      },
    ],
  });
  const pod = await lab.until(
    'waiting',
    (now) => now?.status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CreateContainerConfigError',
  );
  assert.equal(pod.status?.phase, 'Pending');
  assert.match(
    pod.status?.containerStatuses?.[0]?.state?.waiting?.message ?? '',
    /^configmap "late" not found/,
  );
  await lab.client.create(configMaps, { metadata: { namespace: 'shop', name: 'late' }, data: { x: '1' } });
  await lab.until('waiting', isReady, 12_000);
});

test('createKubelet lets a deleted pod end in its own way, within its grace', async () => {
  await lab.run('graceful', {
    terminationGracePeriodSeconds: 5,
    containers: [
      {
        name: 'c',
        image: 'busybox',
        command: ['sh', '-c', 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done'],
        lifecycle: { preStop: { exec: { command: ['sh', '-c', 'echo stopping > /proc/1/fd/1'] } } },
      },
    ],
  });
  await lab.until('graceful', isReady);
  const startedMs = Date.now();
  const followed = lab.get('/containerLogs/shop/graceful/c?follow=true');
  await lab.client.delete(pods, { namespace: 'shop', name: 'graceful' });
  await lab.until('graceful', (now) => now === undefined);
  assert.ok(Date.now() - startedMs < 4000);
  assert.equal((await followed).body, 'up\nstopping\nbye\n');
});

test('createKubelet keeps sidecars up around the others', async () => {
  await lab.run('sidecar', {
    restartPolicy: 'Never',
    initContainers: [
      { name: 'proxy', image: 'busybox', restartPolicy: 'Always', command: ['sleep', '1000'] },
    ],
    containers: [{ name: 'main', image: 'busybox', command: ['sleep', '0.2'] }],
    terminationGracePeriodSeconds: 1,
  });
  const pod = await lab.until('sidecar', (now) => now?.status?.phase === 'Succeeded');
  assert.equal(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.exitCode, 137);
});

test('createKubelet counts an exec probe of a stand-in as passed and says so', async () => {
  await lab.run('execprobe', {
    containers: [{ name: 'c', image: 'redis', readinessProbe: { exec: { command: ['redis-cli', 'ping'] } } }],
  });
  await lab.until('execprobe', isReady);
  const event = await lab.untilEvent('execprobe', ({ reason }) => reason === 'ExecSkipped');
  assert.match(event.message ?? '', /^Container c is a stand-in for redis/);
});

test('createKubelet probes over TLS a stand-in that speaks TLS', async () => {
  await lab.run('tls', {
    containers: [
      {
        name: 'c',
        image: 'x',
        ports: [{ name: 'https', containerPort: 8443 }],
        readinessProbe: { httpGet: { port: 'https', scheme: 'HTTPS' } },
      },
    ],
  });
  await lab.until('tls', isReady);
});

test('createKubelet brings changes of a ConfigMap and a Secret to the programs that have mounted them', async () => {
  const settings = { namespace: 'shop', name: 'flags' };
  const keys = { namespace: 'shop', name: 'keys' };
  await lab.client.create(configMaps, { metadata: settings, data: { color: 'blue', old: 'x' } });
  await lab.client.create(secrets, { metadata: keys, data: { key: Buffer.from('one').toString('base64') } });
  await lab.run('reader', {
    terminationGracePeriodSeconds: 0,
    volumes: [
      { name: 'flags', configMap: { name: 'flags' } },
      { name: 'keys', secret: { secretName: 'keys' } },
    ],
    containers: [
      {
        name: 'c',
        image: 'busybox',
        command: [
          'sh',
          '-c',
          'while :; do echo "$(cat /flags/color) $(cat /keys/key) $(ls /flags | tr "\\n" " ")"; sleep 0.1; done',
        ],
        volumeMounts: [
          { name: 'flags', mountPath: '/flags' },
          { name: 'keys', mountPath: '/keys' },
        ],
      },
    ],
  });
  await lab.until('reader', isReady);
  const untilLast = async (line: string): Promise<void> => {
    const deadlineMs = Date.now() + 3000;
    for (;;) {
      const { body } = await lab.get('/containerLogs/shop/reader/c?tailLines=1');
      if (body.trim() === line) return;
      assert.ok(Date.now() < deadlineMs, `${body.trim()}; wanted ${line}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await untilLast('blue one color old');
  const data = { color: 'green', old: null };
  await lab.client.patch(configMaps, settings, { type: 'merge', body: { data } });
  await untilLast('green one color');
  const key = Buffer.from('two').toString('base64');
  await lab.client.patch(secrets, keys, { type: 'merge', body: { data: { key } } });
  await untilLast('green two color');
  await lab.client.delete(configMaps, settings);
  await lab.client.create(configMaps, { metadata: settings, data: { color: 'red' } });
  await untilLast('red two color');
  await lab.client.delete(pods, { namespace: 'shop', name: 'reader' }, { gracePeriodSeconds: 0 });
  await lab.until('reader', (pod) => pod === undefined);
});
