/** What kubectl does with discovery and OpenAPI: client-side validation, explain, api-resources. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createFakeKubelet } from '../../src/lab/apiserver/streams/fake-kubelet.ts';
import { findKubectls, type Kubectl, kubectlMissing, kubectlRunner } from './support/kubectls.ts';
import { startStreamServer } from './support/stream-server.ts';

const skip = kubectlMissing();
test('a kubectl takes part', { skip }, () => {});

async function setUp(t: TestContext, kubectl: Kubectl) {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-e2e-'));
  const kubelet = createFakeKubelet({ socketPath: join(directory, 'kubelet.sock') });
  await kubelet.ready;
  const server = await startStreamServer(kubelet);
  const runner = kubectlRunner(kubectl, `http://127.0.0.1:${server.port}`);
  t.after(() => {
    kubelet.close();
    server.close();
    runner.dispose();
    rmSync(directory, { recursive: true, force: true });
  });
  return runner;
}

const deployment = (spec: object, container: object = {}): string =>
  JSON.stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: {
          containers: [
            {
              name: 'main',
              image: 'x',
              resources: { limits: { cpu: 1, memory: '1Gi' } },
              livenessProbe: { httpGet: { port: 80 } },
              readinessProbe: { httpGet: { port: 'http' } },
              ...container,
            },
          ],
        },
      },
      ...spec,
    },
  });

for (const kubectl of findKubectls()) {
  const title = (text: string): string => `kubectl ${kubectl.version} ${text}`;

  test(title('explain shows types'), async (t) => {
    const { run } = await setUp(t, kubectl);
    const { stdout, stderr } = await run(['explain', 'deployment.spec.template.spec.containers']);
    assert.match(stdout.toString(), /KIND:\s+Deployment/, stderr);
    assert.match(stdout.toString(), /command\s+<\[\]string>/);
    const port = await run(['explain', 'service.spec.ports.targetPort']);
    assert.match(port.stdout.toString(), /targetPort <(string|IntOrString)>/);
    for (const resource of ['pods', 'crd', 'hpa', 'events']) {
      const whole = await run(['explain', '--recursive', resource]);
      assert.equal(whole.code, 0, whole.stderr);
    }
    const nothing = await run(['explain', 'pod.spec.nothing']);
    assert.match(nothing.stderr, /field "nothing" does not exist/);
  });

  test(title('api-resources lists every kind once'), async (t) => {
    const { run } = await setUp(t, kubectl);
    const { stdout } = await run(['api-resources', '--no-headers', '-o', 'name']);
    const names = stdout.toString().trim().split('\n');
    assert.ok(names.includes('deployments.apps') && names.includes('pods'), names.join(' '));
    assert.equal(new Set(names).size, names.length);
    assert.match((await run(['api-versions'])).stdout.toString(), /^autoscaling\/v2$/m);
  });

  // Newer kubectls leave the checking to the server.
  if (kubectl.version === '1.20') {
    test(title('validates what it applies'), async (t) => {
      const { run } = await setUp(t, kubectl);
      const apply = async (input: string): Promise<string> => {
        const { stdout, stderr } = await run(['apply', '--dry-run=client', '-f', '-'], { input });
        return `${stdout.toString()}${stderr}`;
      };
      assert.match(await apply(deployment({ replicas: 2 })), /deployment\.apps\/web created \(dry run\)/);
      assert.match(await apply(deployment({ replicas: 'two' })), /got "string", expected "integer"/);
      assert.match(
        await apply(deployment({ replica: 2 })),
        /unknown field "replica" in io\.k8s\.api\.apps\.v1\.DeploymentSpec/,
      );
      assert.match(await apply(deployment({}, { ports: {} })), /got "map", expected "array"/);
      assert.match(await apply(deployment({ selector: null })), /missing required field "selector"/);
    });
  }
}
