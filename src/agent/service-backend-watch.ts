import type { Client } from '../cluster/client.ts';
import { createInformer } from '../cluster/informer.ts';
import { configMaps } from '../cluster/resources.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import type { SwitchingBackend } from '../services/backends/switching.ts';
import type { AgentLog } from './agent.ts';
import { configMapRef, parseServiceBackend } from './config.ts';

/** Follows the ConfigMap's `service-backend`: a change gives the node's Services to another backend. */
export function createServiceBackendWatch(options: {
  readonly client: Client;
  readonly backend: SwitchingBackend;
  readonly log: AgentLog;
}): { run(signal: AbortSignal): Promise<void> } {
  const { client, backend, log } = options;
  const informer = createInformer(client, configMaps, {
    namespace: configMapRef.namespace,
    fieldSelector: `metadata.name=${configMapRef.name}`,
    onError: (error) => log('warning', `services: configuration: ${errorMessage(error)}`),
  });
  informer.onChange(({ type, object }) => {
    if (type === 'deleted') return;
    try {
      backend.switchTo(parseServiceBackend(object.data ?? {}));
    } catch (error) {
      const fix = error instanceof PodnetError && error.fix !== undefined ? ` ${error.fix}` : '';
      log('error', `services: ${backend.name} stays: ${errorMessage(error)}.${fix}`);
    }
  });
  return { run: (signal) => informer.run(signal) };
}
