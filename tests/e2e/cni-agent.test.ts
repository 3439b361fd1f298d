/** A container runtime beside the lab's kubelet: it calls the agent of a node through the forwarder. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasProgram, podnetPath, startCluster, whyNoCluster } from './support/cluster.ts';

const missing = ['kubectl', 'curl', 'nsenter'].find((name) => !hasProgram(name));
const canCompile = ['musl-gcc', 'cc', 'gcc'].some((name) => hasProgram(name));
const skip =
  whyNoCluster() ??
  (missing === undefined
    ? canCompile
      ? false
      : 'no C compiler is installed'
    : `${missing} is not installed`);

/** A container by hand: a namespace, CNI's variables, and what a runtime does in the order it does it. */
const script = `
set -eu
plugins=/run/plugins-of-$1
mkdir -p "$plugins"
"$2" cni install --dir "$plugins" --socket "/run/podnet/nodes/$1/cni.sock" --plugin podnet >&2
sleep 60 < /dev/null > /dev/null 2>&1 &
holder=$!
unshare --net sleep 60 < /dev/null > /dev/null 2>&1 &
container=$!
trap 'kill $holder $container' EXIT
until [ "$(readlink /proc/$container/ns/net)" != "$(readlink /proc/$holder/ns/net)" ]; do :; done
export CNI_CONTAINERID=by-hand CNI_NETNS=/proc/$container/ns/net CNI_IFNAME=eth0 CNI_PATH=$plugins
export CNI_ARGS='K8S_POD_NAMESPACE=default;K8S_POD_NAME=by-hand'
call() { printf '{"cniVersion":"1.1.0","name":"cluster","type":"podnet"%s}' "\${2-}" | CNI_COMMAND=$1 "$plugins/podnet"; }
call STATUS
result=$(call ADD)
printf '%s\\n--\\n' "$result"
call CHECK ",\\"prevResult\\":$result"
nsenter --net="$CNI_NETNS" curl -s --max-time 5 -H 'Accept: application/json' "http://$3/"
call DEL
`;

test(
  'a runtime connects a container through the agent to the cluster, and takes it off again',
  { skip },
  async (t) => {
    const cluster = await startCluster('cni-agent', ['--nodes', '2']);
    t.after(() => cluster.down());
    const service = await cluster.kubectl('get', 'service', 'api', '-o', 'jsonpath={.spec.clusterIP}');
    const enter = ['enter', 'node-2', '--', 'sh', '-c', script, 'sh', 'node-2', podnetPath, service];
    const { stdout, stderr, code } = await cluster.podnet(...enter);
    assert.equal(code, 0, stderr + stdout);
    const [result = '', answer = ''] = stdout.split('\n--\n');
    const { ips } = JSON.parse(result) as { ips: { address: string }[] };
    const [address = ''] = ips[0]?.address.split('/') ?? [];
    assert.match(address, /^10\.244\.1\.\d+$/);
    const said = JSON.parse(answer) as { pod: string; client: { address: string } };
    assert.match(said.pod, /^api-/);
    assert.equal(said.client.address, address, 'the Service saw another address than the container has');
    const gone = await cluster.podnet('enter', 'node-2', '--', 'ip', 'route', 'show', address);
    assert.equal(gone.stdout.trim(), '');
  },
);
