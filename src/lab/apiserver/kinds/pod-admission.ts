/** The admission plugins every cluster runs on new pods: ServiceAccount, Priority, DefaultTolerationSeconds. */
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import { randomSuffix } from '../random-suffix.ts';
import { forbidden } from '../status.ts';
import type { RuleContext } from '../strategy.ts';
import { containersOf } from './pod-defaults.ts';

const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const TOKEN_SECONDS = 3607;
/** Names the account and mounts its token, the cluster's certificate and the namespace into every container. */
export function admitServiceAccount(pod: Loose, { store, call }: RuleContext): void {
  const spec = objectAt(pod, 'spec');
  const metadata = objectAt(pod, 'metadata');
  const namespace = stringAt(metadata, 'namespace');
  if (stringAt(spec, 'serviceAccountName') === '') spec['serviceAccountName'] = 'default';
  const name = stringAt(spec, 'serviceAccountName');
  spec['serviceAccount'] = name;
  const account = store.get({ storage: 'serviceaccounts', namespace, name });
  // The controller that makes `default` may be a moment late; any other account has to be there.
  if (account === undefined && name !== 'default') {
    // Without the random end of a generated name: a controller that tries again gets the same words again.
    throw forbidden(call.kind, stringAt(metadata, 'generateName') || stringAt(metadata, 'name'), {
      why: `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
    });
  }
  const secrets = listAt(account, 'imagePullSecrets');
  if (listAt(spec, 'imagePullSecrets').length === 0 && secrets.length > 0)
    spec['imagePullSecrets'] = structuredClone(secrets);
  const automount =
    spec['automountServiceAccountToken'] ?? objectAt(account)['automountServiceAccountToken'] ?? true;
  if (automount === true) mountToken(spec);
}

function mountToken(spec: Loose): void {
  const wanting = containersOf(spec).filter(
    (container) =>
      !listAt(container, 'volumeMounts').some((mount) => stringAt(mount, 'mountPath') === TOKEN_PATH),
  );
  if (wanting.length === 0) return;
  const volumes = listAt(spec, 'volumes').filter(isObject);
  const present = volumes.find((volume) => stringAt(volume, 'name').startsWith('kube-api-access-'));
  const name = present === undefined ? `kube-api-access-${randomSuffix()}` : stringAt(present, 'name');
  for (const container of wanting) {
    container['volumeMounts'] = [
      ...listAt(container, 'volumeMounts'),
      { name, readOnly: true, mountPath: TOKEN_PATH },
    ];
  }
  if (present === undefined) spec['volumes'] = [...volumes, tokenVolume(name)];
}

function tokenVolume(name: string): Loose {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}

export function admitPriority(pod: Loose, { store, call }: RuleContext): void {
  const spec = objectAt(pod, 'spec');
  const storage = 'priorityclasses.scheduling.k8s.io';
  const name = stringAt(spec, 'priorityClassName');
  const found =
    name === ''
      ? store.list(storage).find((candidate) => objectAt(candidate)['globalDefault'] === true)
      : store.get({ storage, namespace: '', name });
  if (name !== '' && found === undefined) {
    throw forbidden(call.kind, stringAt(pod, 'metadata', 'name'), {
      why: `no PriorityClass with name ${name} was found`,
    });
  }
  if (found !== undefined) spec['priorityClassName'] = found.metadata.name;
  spec['priority'] = objectAt(found)['value'] ?? 0;
  spec['preemptionPolicy'] ??= objectAt(found)['preemptionPolicy'] ?? 'PreemptLowerPriority';
}

/** Pods stay five minutes on a node that is not ready or cannot be reached. */
export function admitTolerations(spec: Loose): void {
  const tolerations = [...listAt(spec, 'tolerations')];
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const tolerated = tolerations.some((toleration) => {
      const { key: other = '', effect = '' } = objectAt(toleration);
      return (other === key || other === '') && (effect === 'NoExecute' || effect === '');
    });
    if (!tolerated)
      tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  }
  spec['tolerations'] = tolerations;
}
