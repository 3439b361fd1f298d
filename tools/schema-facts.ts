/**
 * What the API's schemas say and TypeScript declarations cannot: how lists merge, which strings are binary, which
 * numbers are fractions, and fields younger than the declarations.
 */

/**
 * How the items of a list field are told apart, by `definition.field`.
 * - `keys`: the list is a map with these keys (x-kubernetes-list-type=map), or a `set`. Lists not named here are
 *   atomic.
 * - `merge`: the key of strategic merge patches (x-kubernetes-patch-merge-key), `''` for a set of plain values;
 *   without it a strategic merge patch replaces the list.
 * - `retain`: the patch also carries `$retainKeys`.
 */
export interface ListFacts {
  readonly keys?: readonly string[] | 'set';
  readonly merge?: string;
  readonly retain?: true;
}

const byName: ListFacts = { keys: ['name'], merge: 'name' };
const byType: ListFacts = { keys: ['type'], merge: 'type' };
const container: Readonly<Record<string, ListFacts>> = {
  env: byName,
  ports: { keys: ['containerPort', 'protocol'], merge: 'containerPort' },
  volumeDevices: { keys: ['devicePath'], merge: 'devicePath' },
  volumeMounts: { keys: ['mountPath'], merge: 'mountPath' },
};

/** Definitions by `group/version.Name` (the directories of kubernetes-types), then fields. */
export const listFacts: Readonly<Record<string, Readonly<Record<string, ListFacts>>>> = {
  'apiextensions/v1.CustomResourceDefinitionStatus': { conditions: { keys: ['type'] } },
  'apps/v1.DaemonSetStatus': { conditions: byType },
  'apps/v1.DeploymentStatus': { conditions: byType },
  'apps/v1.ReplicaSetStatus': { conditions: byType },
  'apps/v1.StatefulSetStatus': { conditions: byType },
  'autoscaling/v2.HorizontalPodAutoscalerStatus': { conditions: byType },
  'batch/v1.JobStatus': { conditions: { merge: 'type' } },
  'certificates/v1.CertificateSigningRequestStatus': { conditions: { keys: ['type'] } },
  'core/v1.Container': container,
  'core/v1.ContainerStatus': { volumeMounts: { keys: ['mountPath'], merge: 'mountPath' } },
  'core/v1.EphemeralContainer': container,
  'core/v1.NamespaceStatus': { conditions: byType },
  'core/v1.NodeSpec': { podCIDRs: { keys: 'set', merge: '' } },
  'core/v1.NodeStatus': { addresses: byType, conditions: byType },
  'core/v1.PersistentVolumeClaimStatus': { conditions: byType },
  'core/v1.PodSpec': {
    containers: byName,
    ephemeralContainers: byName,
    hostAliases: { keys: ['ip'], merge: 'ip' },
    imagePullSecrets: byName,
    initContainers: byName,
    resourceClaims: { ...byName, retain: true },
    schedulingGates: byName,
    topologySpreadConstraints: { keys: ['topologyKey', 'whenUnsatisfiable'], merge: 'topologyKey' },
    volumes: { ...byName, retain: true },
  },
  'core/v1.PodStatus': {
    conditions: byType,
    hostIPs: { merge: 'ip' },
    podIPs: { keys: ['ip'], merge: 'ip' },
    resourceClaimStatuses: { ...byName, retain: true },
  },
  'core/v1.ReplicationControllerStatus': { conditions: byType },
  'core/v1.ResourceRequirements': { claims: { keys: ['name'] } },
  'core/v1.ServiceAccount': { secrets: { keys: ['name'], merge: 'name' } },
  'core/v1.ServiceSpec': { ports: { keys: ['port', 'protocol'], merge: 'port' } },
  'core/v1.ServiceStatus': { conditions: byType },
  'discovery/v1.Endpoint': { addresses: { keys: 'set' } },
  'meta/v1.ObjectMeta': {
    finalizers: { keys: 'set', merge: '' },
    ownerReferences: { keys: ['uid'], merge: 'uid' },
  },
  'policy/v1.PodDisruptionBudgetStatus': { conditions: byType },
  'storage/v1.CSINodeSpec': { drivers: byName },
};

/** Definitions whose fields are written together or not at all (x-kubernetes-map-type=atomic). */
export const atomicDefinitions: readonly string[] = [
  'core/v1.ConfigMapKeySelector',
  'core/v1.LocalObjectReference',
  'core/v1.NodeSelector',
  'core/v1.NodeSelectorTerm',
  'core/v1.ObjectFieldSelector',
  'core/v1.ObjectReference',
  'core/v1.ResourceFieldSelector',
  'core/v1.ScopeSelector',
  'core/v1.SecretKeySelector',
  'core/v1.SecretReference',
  'core/v1.TopologySelectorTerm',
  'core/v1.TypedLocalObjectReference',
  'meta/v1.LabelSelector',
  'rbac/v1.RoleRef',
  'rbac/v1.Subject',
];

/** Map fields written as a whole. */
export const atomicMaps: Readonly<Record<string, readonly string[]>> = {
  'core/v1.PodSpec': ['nodeSelector'],
  'core/v1.ReplicationControllerSpec': ['selector'],
  'core/v1.ServiceSpec': ['selector'],
};

/** Struct fields replaced or pruned together by strategic merge patches. */
export const retainKeysFields: Readonly<Record<string, readonly string[]>> = {
  'apps/v1.DeploymentSpec': ['strategy'],
};

/** Fields whose type the declarations give too widely. */
export const fieldTypes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'admissionregistration/v1.WebhookClientConfig': { caBundle: 'bytes' },
  'apiextensions/v1.JSONSchemaProps': { maximum: 'number', minimum: 'number', multipleOf: 'number' },
  'apiextensions/v1.WebhookClientConfig': { caBundle: 'bytes' },
  'certificates/v1.CertificateSigningRequestSpec': { request: 'bytes' },
  'certificates/v1.CertificateSigningRequestStatus': { certificate: 'bytes' },
  'core/v1.ConfigMap': { binaryData: 'map bytes' },
  'core/v1.Secret': { data: 'map bytes' },
};

/** Definitions that hold any JSON. */
export const freeForm: readonly string[] = [
  'apiextensions/v1.JSON',
  'apiextensions/v1.JSONSchemaPropsOrArray',
  'apiextensions/v1.JSONSchemaPropsOrBool',
  'apiextensions/v1.JSONSchemaPropsOrStringArray',
  'meta/v1.FieldsV1',
  'runtime.RawExtension',
];

/** Fields the declarations lack: newer than Kubernetes 1.30, or dropped for their dashes. */
export const addedFields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'apiextensions/v1.JSONSchemaProps': {
    'x-kubernetes-embedded-resource': 'boolean',
    'x-kubernetes-int-or-string': 'boolean',
    'x-kubernetes-list-map-keys': '[]string',
    'x-kubernetes-list-type': 'string',
    'x-kubernetes-map-type': 'string',
    'x-kubernetes-preserve-unknown-fields': 'boolean',
    'x-kubernetes-validations': '[]apiextensions/v1.ValidationRule',
  },
  'apps/v1.DeploymentStatus': { terminatingReplicas: 'integer' },
  'apps/v1.ReplicaSetStatus': { terminatingReplicas: 'integer' },
  'autoscaling/v2.HPAScalingRules': { tolerance: 'quantity' },
  'core/v1.Container': { restartPolicyRules: '[]core/v1.ContainerRestartRule' },
  'core/v1.ContainerRestartRule': {
    action: 'string',
    exitCodes: 'core/v1.ContainerRestartRuleOnExitCodes',
  },
  'core/v1.ContainerRestartRuleOnExitCodes': { operator: 'string', values: '[]integer' },
  'core/v1.ContainerStatus': { stopSignal: 'string', user: 'core/v1.ContainerUser' },
  'core/v1.ContainerUser': { linux: 'core/v1.LinuxContainerUser' },
  'core/v1.EphemeralContainer': { restartPolicyRules: '[]core/v1.ContainerRestartRule' },
  'core/v1.ImageVolumeSource': { pullPolicy: 'string', reference: 'string' },
  'core/v1.Lifecycle': { stopSignal: 'string' },
  'core/v1.LinuxContainerUser': { gid: 'integer', supplementalGroups: '[]integer', uid: 'integer' },
  'core/v1.NodeFeatures': { supplementalGroupsPolicy: 'boolean' },
  'core/v1.NodeStatus': { features: 'core/v1.NodeFeatures' },
  'core/v1.PodCondition': { observedGeneration: 'integer' },
  'core/v1.PodSecurityContext': { seLinuxChangePolicy: 'string', supplementalGroupsPolicy: 'string' },
  'core/v1.PodSpec': { hostnameOverride: 'string', resources: 'core/v1.ResourceRequirements' },
  'core/v1.PodStatus': { observedGeneration: 'integer' },
  'core/v1.ResourceClaim': { request: 'string' },
  'core/v1.Volume': { image: 'core/v1.ImageVolumeSource' },
  'coordination/v1.LeaseSpec': { preferredHolder: 'string', strategy: 'string' },
  'discovery/v1.EndpointHints': { forNodes: '[]discovery/v1.ForNode' },
  'discovery/v1.ForNode': { name: '!string' },
  'meta/v1.DeleteOptions': { ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean' },
  'networking/v1.IPAddress': {
    apiVersion: 'string',
    kind: 'string',
    metadata: 'meta/v1.ObjectMeta',
    spec: 'networking/v1.IPAddressSpec',
  },
  'networking/v1.IPAddressSpec': { parentRef: '!networking/v1.ParentReference' },
  'networking/v1.ParentReference': {
    group: 'string',
    name: '!string',
    namespace: 'string',
    resource: '!string',
  },
  'networking/v1.ServiceCIDR': {
    apiVersion: 'string',
    kind: 'string',
    metadata: 'meta/v1.ObjectMeta',
    spec: 'networking/v1.ServiceCIDRSpec',
    status: 'networking/v1.ServiceCIDRStatus',
  },
  'networking/v1.ServiceCIDRSpec': { cidrs: '[]string' },
  'networking/v1.ServiceCIDRStatus': { conditions: '[]meta/v1.Condition' },
};

/** Kinds of definitions that exist only in `addedFields`: `group/version Kind`, as an object states them. */
export const addedKinds: Readonly<Record<string, string>> = {
  'networking/v1.IPAddress': 'networking.k8s.io/v1 IPAddress',
  'networking/v1.ServiceCIDR': 'networking.k8s.io/v1 ServiceCIDR',
};
