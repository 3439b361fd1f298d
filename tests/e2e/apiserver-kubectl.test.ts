import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';

import { createTestServer, testPki, type TestServer } from '../../src/lab/apiserver/fixture.ts';
import { kubeconfig } from '../../src/lab/apiserver/pki.ts';

/** The kubectl in the path, and the one that `PODNET_OLD_KUBECTL` names: Debian 12's is 1.20. */
const PROGRAMS = [
  { name: 'kubectl', file: findInPath('kubectl') },
  { name: 'kubectl 1.20', file: process.env['PODNET_OLD_KUBECTL'] ?? '' },
];

function findInPath(program: string): string {
  return (
    (process.env['PATH'] ?? '')
      .split(':')
      .map((directory) => join(directory, program))
      .find((file) => existsSync(file)) ?? ''
  );
}

const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: nginx:1
          ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
`;

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

for (const { name, file } of PROGRAMS) {
  const skip = file !== '' && existsSync(file) ? false : `${name} is not installed`;
  suite(name, { skip }, () => {
    let api: TestServer;
    let directory = '';
    let manifest = '';

    before(async () => {
      api = createTestServer();
      const { port, ready } = api.server.listen({ host: '127.0.0.1', port: 0 });
      await ready;
      directory = mkdtempSync(join(tmpdir(), 'podnet-kubectl-'));
      manifest = join(directory, 'app.yaml');
      writeFileSync(manifest, MANIFEST);
      const credential = testPki.issue({ commonName: 'admin', organizations: ['system:masters'] });
      const text = kubeconfig({
        server: `https://127.0.0.1:${port}`,
        ca: testPki.ca,
        name: 'test',
        credential,
      });
      writeFileSync(join(directory, 'config'), text, { mode: 0o600 });
    });

    after(async () => {
      await api.server.close();
      rmSync(directory, { recursive: true });
    });

    function environment(): NodeJS.ProcessEnv {
      return {
        PATH: process.env['PATH'] ?? '',
        HOME: directory,
        KUBECONFIG: join(directory, 'config'),
        EDITOR: 'sed -i s/nginx:.*/nginx:9/',
      };
    }

    function run(...args: string[]): Promise<Result> {
      return new Promise((resolve) => {
        execFile(file, args, { env: environment(), timeout: 30_000 }, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
        });
      });
    }

    async function ok(...args: string[]): Promise<string> {
      const { code, stdout, stderr } = await run(...args);
      assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
      return stdout;
    }

    async function refused(...args: string[]): Promise<string> {
      const { code, stderr } = await run(...args);
      assert.notEqual(code, 0, `kubectl ${args.join(' ')} was not refused`);
      return stderr;
    }

    test('apply creates, then finds nothing to do, then changes', async () => {
      assert.match(await ok('apply', '-f', manifest), /deployment.apps\/web created\nservice\/web created/);
      assert.match(
        await ok('apply', '-f', manifest),
        /deployment.apps\/web unchanged\nservice\/web unchanged/,
      );
      writeFileSync(manifest, MANIFEST.replace('replicas: 2', 'replicas: 3'));
      const { code, stdout } = await run('diff', '-f', manifest);
      assert.equal(code, 1);
      assert.match(stdout, /\+ {2}replicas: 3/);
      assert.match(await ok('apply', '-f', manifest), /deployment.apps\/web configured/);
    });

    test('get in every form', async () => {
      assert.match(await ok('get', 'deployments'), /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/3/);
      assert.match(await ok('get', 'deploy', '-o', 'wide'), /CONTAINERS +IMAGES +SELECTOR/);
      assert.match(await ok('get', 'svc', 'web', '-o', 'yaml'), /^apiVersion: v1\nkind: Service/m);
      assert.equal(
        (JSON.parse(await ok('get', 'svc', 'web', '-o', 'json')) as { kind: string }).kind,
        'Service',
      );
      assert.equal(await ok('get', 'svc', '-o', 'name', '-l', '!component'), 'service/web\n');
      assert.equal(await ok('get', 'deploy', '-o', 'name', '-l', 'app in (web)'), 'deployment.apps/web\n');
      assert.match(await ok('get', 'svc', 'web', '-o', 'jsonpath={.spec.clusterIP}'), /^10\.96\.\d+\.\d+$/);
      assert.match(
        await ok('get', 'svc', '-A', '--field-selector', 'metadata.name=kubernetes'),
        /^NAMESPACE +NAME[^\n]*\ndefault +kubernetes/,
      );
      assert.match(await ok('get', 'all'), /service\/web[^]*deployment.apps\/web/);
      assert.match(
        await refused('get', 'pod', 'none'),
        /Error from server \(NotFound\): pods "none" not found/,
      );
    });

    test('create, run and describe', async () => {
      assert.match(await ok('create', 'namespace', 'extra'), /namespace\/extra created/);
      assert.match(
        await ok('create', 'deployment', 'made', '--image=nginx'),
        /deployment.apps\/made created/,
      );
      assert.match(
        await ok('create', 'configmap', 'settings', '--from-literal=a=b'),
        /configmap\/settings created/,
      );
      assert.match(await ok('run', 'single', '--image=nginx', '--port=80'), /pod\/single created/);
      assert.match(await ok('describe', 'pod', 'single'), /Status: +Pending/);
      assert.match(await ok('describe', 'service', 'web'), /Selector: +app=web/);
      assert.match(
        await refused('create', 'namespace', 'extra'),
        /\(AlreadyExists\)[^]*namespaces "extra" already exists/,
      );
    });

    test('label, annotate, patch, scale, set and edit', async () => {
      await ok('label', 'deploy', 'web', 'tier=front');
      await ok('annotate', 'deploy', 'web', 'note=hello');
      await ok(
        'patch',
        'deploy',
        'web',
        '-p',
        '{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"1"}]}]}}}}',
      );
      await ok(
        'patch',
        'deploy',
        'web',
        '--type=json',
        '-p',
        '[{"op":"add","path":"/spec/minReadySeconds","value":1}]',
      );
      await ok('patch', 'deploy', 'web', '--type=merge', '-p', '{"spec":{"paused":true}}');
      await ok('scale', 'deploy', 'web', '--replicas=7');
      await ok('edit', 'deploy', 'web');
      const fields =
        '{.metadata.labels.tier} {.metadata.annotations.note} {.spec.replicas} {.spec.minReadySeconds} {.spec.paused} {.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value}';
      assert.equal(
        await ok('get', 'deploy', 'web', '-o', `jsonpath=${fields}`),
        'front hello 7 1 true nginx:9 1',
      );
    });

    test('get -w shows what happens', async () => {
      const watching = spawn(file, ['get', 'configmaps', '-w', '-o', 'name'], { env: environment() });
      let seen = '';
      const saw = (word: string): Promise<void> =>
        new Promise((resolve, reject) => {
          const deadline = setTimeout(() => reject(new Error(`no ${word} in: ${seen}`)), 10_000);
          const look = (): void => {
            if (!seen.includes(word)) return;
            clearTimeout(deadline);
            resolve();
          };
          watching.stdout.on('data', look);
          look();
        });
      watching.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString('utf8')));
      await saw('configmap/settings');
      await ok('create', 'configmap', 'later', '--from-literal=a=b');
      await saw('configmap/later');
      watching.kill();
    });

    test('server-side apply tells conflicts', async (t) => {
      if (name !== 'kubectl') {
        t.skip('asked of the newer kubectl only');
        return;
      }
      const owned = join(directory, 'owned.yaml');
      const text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: owned}\ndata: {a: "1"}\n';
      writeFileSync(owned, text);
      assert.match(await ok('apply', '--server-side', '-f', owned), /configmap\/owned serverside-applied/);
      writeFileSync(owned, text.replace('"1"', '"2"'));
      assert.match(
        await refused('apply', '--server-side', '--field-manager=other', '-f', owned),
        /conflict with "kubectl"[^]*\.data\.a/,
      );
      await ok('apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', owned);
    });

    test('bad input is refused with object and field', async () => {
      const bad = join(directory, 'bad.yaml');
      writeFileSync(
        bad,
        MANIFEST.replace('replicas: 2', 'replicas: two').replaceAll('name: web', 'name: bad'),
      );
      assert.match(await refused('apply', '-f', bad), /replicas/);
      writeFileSync(
        bad,
        MANIFEST.replace('matchLabels: {app: web}', 'matchLabels: {app: other}').replace(
          'name: web',
          'name: bad',
        ),
      );
      assert.match(
        await refused('apply', '-f', bad),
        /Deployment(?:\.apps)? "bad" is invalid: spec\.template\.metadata\.labels: Invalid value: .*`selector` does not match template `labels`/,
      );
    });

    test('delete', async () => {
      assert.match(await ok('delete', 'pod', 'single'), /pod "single" deleted/);
      assert.match(
        await ok('delete', '-f', manifest),
        /deployment.apps "web" deleted\nservice "web" deleted/,
      );
      assert.match(await ok('delete', 'configmaps', '--all'), /configmap "settings" deleted/);
      assert.match(await refused('delete', '-f', manifest), /NotFound/);
    });
  });
}
