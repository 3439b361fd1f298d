/** What an agent does for container runtimes, without its cluster: `server.ts SOCKET SPOOL DATABASE`. */
import { pluginNamed } from '../../src/cni/plugins/registry.ts';
import { createPodnetPlugin } from '../../src/cni/plugins/podnet/plugin.ts';
import { createPodNetwork } from '../../src/cni/podnet.ts';
import { startCniServer } from '../../src/cni/server/server.ts';

const [socketPath = '', spoolDirectory = '', databasePath = ''] = process.argv.slice(2);
const network = createPodNetwork({ podCidr: '10.80.0.0/16', databasePath });
const podnet = createPodnetPlugin({ network: () => network, limitation: () => undefined });
await startCniServer({
  socketPath,
  spoolDirectory,
  findPlugin: async (type) => (type === 'podnet' ? podnet : pluginNamed(type)),
});
