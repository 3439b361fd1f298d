/** What `kubectl explain` says: one short line for each kind and for the fields people look up most. */

const kinds: Readonly<Record<string, string>> = {
  Binding: 'Puts a pod on a node.',
  ClusterRole: 'What may be done, in all namespaces or to cluster-scoped objects.',
  ClusterRoleBinding: 'Gives a ClusterRole to users, groups and service accounts, everywhere.',
  ConfigMap: 'Settings and small files for pods, in the open.',
  ControllerRevision: 'A former state of a StatefulSet or DaemonSet, to go back to.',
  CronJob: 'Makes a Job on a schedule.',
  CustomResourceDefinition: 'Adds a kind of your own to the API.',
  DaemonSet: 'Runs one pod on every node that fits.',
  Deployment:
    'Keeps a number of equal pods running and replaces them step by step when their template changes.',
  EndpointSlice: 'Addresses and ports of some of the pods behind a Service.',
  Endpoints: 'Addresses and ports behind a Service, in one object. EndpointSlices took its place.',
  Event: 'Something that happened to an object.',
  Eviction: 'A request to delete a pod unless a disruption budget forbids it.',
  HorizontalPodAutoscaler: 'Changes the number of pods as their load changes.',
  Ingress: 'Routes HTTP from outside to Services, by host and path.',
  IngressClass: 'Names the controller that serves the Ingresses of this class.',
  Job: 'Runs pods until enough of them have succeeded.',
  Lease: 'A lock with a holder, renewed while the holder lives.',
  LimitRange: 'Defaults and bounds for what pods of a namespace may ask for.',
  LocalSubjectAccessReview: 'Asks whether somebody may do something in one namespace.',
  Namespace: 'A space for names: objects in different ones may share theirs.',
  NetworkPolicy: 'Which connections the pods it selects accept and make. Selected pods refuse the rest.',
  Node: 'A machine that runs pods.',
  PersistentVolume: 'Storage of the cluster, for one claim at a time.',
  PersistentVolumeClaim: 'A request for storage, used by pods as a volume.',
  Pod: 'Containers that live and die together and share one network namespace and address.',
  PodDisruptionBudget: 'How many of the selected pods must stay when pods are evicted.',
  PodTemplate: 'A pod to make copies of.',
  PriorityClass: 'A name for how important a pod is.',
  ReplicaSet: 'Keeps a number of equal pods running. Usually made by a Deployment.',
  ReplicationController: 'Keeps a number of equal pods running. ReplicaSets took its place.',
  ResourceQuota: 'Bounds for everything in a namespace taken together.',
  Role: 'What may be done in one namespace.',
  RoleBinding: 'Gives a role to users, groups and service accounts in one namespace.',
  Scale: 'The number of replicas of another object.',
  Secret: 'Passwords, keys and the like for pods, base64-encoded.',
  SelfSubjectAccessReview: 'Asks whether you may do something.',
  SelfSubjectReview: 'Asks who the server thinks you are.',
  SelfSubjectRulesReview: 'Asks for everything you may do in a namespace.',
  Service: 'One name and address for a set of pods.',
  ServiceAccount: 'Who a pod is towards the API server.',
  StatefulSet: 'Keeps pods running that have a fixed name, order and storage each.',
  Status: 'The outcome of a request without an object.',
  StorageClass: 'A kind of storage, and who provides it.',
  SubjectAccessReview: 'Asks whether somebody may do something.',
  TokenRequest: 'Asks for a token of a service account.',
  TokenReview: 'Asks whom a token belongs to.',
};

/** Of every object, by field name. */
const common: Readonly<Record<string, string>> = {
  apiVersion: 'Group and version of the kind.',
  kind: 'What this object is.',
  metadata: 'Name, labels and what else all objects have.',
  spec: 'What is wanted.',
  status: 'What is, as the cluster reports it.',
};

/** By definition, then field. */
const fields: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'apps/v1.DeploymentSpec': {
    minReadySeconds: 'How long a new pod must have been ready to count as available.',
    paused: 'Changes of the template wait until this is false.',
    progressDeadlineSeconds: 'After this time without progress a rollout is reported as failed.',
    replicas: 'How many pods; 1 unless told.',
    revisionHistoryLimit: 'How many old ReplicaSets are kept to roll back to; 10 unless told.',
    selector: 'The labels of its pods; those of the template must match, and it never changes.',
    strategy: 'How old pods give way to new ones.',
    template: 'The pods to make.',
  },
  'core/v1.Container': {
    args: 'Arguments of the command.',
    command: "What to run instead of the image's own entry point. No shell is involved.",
    env: 'Environment variables.',
    envFrom: 'ConfigMaps and Secrets whose every key becomes an environment variable.',
    image: 'The image to run.',
    imagePullPolicy: 'Always, IfNotPresent or Never.',
    lifecycle: 'What to run after the start and before the end.',
    livenessProbe: 'A check whose failure restarts the container.',
    name: 'Its name, unique in the pod.',
    ports: 'Ports it listens on. Ports that are not listed can be reached all the same.',
    readinessProbe: 'A check that decides whether Services send connections to the pod.',
    resources: 'CPU and memory it asks for and may use.',
    startupProbe: 'A check that holds the others back until it first succeeds.',
    volumeMounts: 'Where volumes appear in its file system.',
    workingDir: 'The directory it starts in.',
  },
  'core/v1.ContainerPort': {
    containerPort: 'The port.',
    hostPort: 'The same container on a port of its node.',
    name: 'A name for Services, probes and policies to use.',
    protocol: 'TCP, UDP or SCTP; TCP unless told.',
  },
  'core/v1.PodSpec': {
    containers: 'The containers; at least one, and none can be added later.',
    dnsConfig: 'Changes to what dnsPolicy writes into resolv.conf.',
    dnsPolicy: 'ClusterFirst, ClusterFirstWithHostNet, Default or None.',
    hostAliases: 'More lines for /etc/hosts.',
    hostNetwork: "Uses the node's network instead of one of its own.",
    hostname: "The pod's host name; its own name unless told.",
    initContainers: 'Containers that run to their end, one after the other, before the others start.',
    nodeName: 'The node it runs on; set by the scheduler.',
    nodeSelector: 'Labels a node must have to run it.',
    restartPolicy: 'Always, OnFailure or Never.',
    serviceAccountName: 'The ServiceAccount it runs as.',
    subdomain: 'With a headless Service of this name, the pod gets a DNS name of its own.',
    terminationGracePeriodSeconds: 'How long it may take to end before it is killed; 30 unless told.',
    tolerations: 'Taints of nodes that do not keep it away.',
    volumes: 'Files and directories its containers can mount.',
  },
  'core/v1.ServicePort': {
    appProtocol: 'What is spoken on it, as a hint: kubernetes.io/h2c and the like.',
    name: 'Its name; needed when there are several ports.',
    nodePort: 'The port on every node, for NodePort and LoadBalancer.',
    port: 'The port of the Service.',
    protocol: 'TCP, UDP or SCTP; TCP unless told.',
    targetPort: 'The port of the pods, by number or by name; the same as port unless told.',
  },
  'core/v1.ServiceSpec': {
    clusterIP:
      'Its address inside the cluster; chosen by the cluster unless given, None for a headless Service.',
    clusterIPs: 'Its addresses, one for each IP family.',
    externalIPs: 'More addresses at which nodes accept its connections.',
    externalName: 'For ExternalName: the DNS name it stands for.',
    externalTrafficPolicy:
      'Cluster, or Local: connections from outside stay on the node and keep their source.',
    healthCheckNodePort:
      'Where load balancers ask whether a node has pods of it, with externalTrafficPolicy Local.',
    internalTrafficPolicy: 'Cluster, or Local: connections from pods stay on their node.',
    ipFamilies: 'IPv4, IPv6 or both, the first one first.',
    ipFamilyPolicy: 'SingleStack, PreferDualStack or RequireDualStack.',
    loadBalancerClass: 'Which load balancer is to serve it.',
    loadBalancerSourceRanges: 'Clients the load balancer lets in.',
    ports: 'Its ports.',
    publishNotReadyAddresses: 'Pods count although they are not ready.',
    selector: 'Labels of its pods. Without it, its endpoints are made by hand.',
    sessionAffinity: "None, or ClientIP: a client's connections go to the same pod.",
    trafficDistribution: 'PreferClose: pods in the same zone come first.',
    type: 'ClusterIP, NodePort, LoadBalancer or ExternalName.',
  },
  'discovery/v1.EndpointSlice': {
    addressType: 'IPv4, IPv6 or FQDN.',
    endpoints: 'The addresses, each with its conditions.',
    ports: 'The ports of every address in it.',
  },
  'networking/v1.IngressSpec': {
    defaultBackend: 'Where requests go that no rule matches.',
    ingressClassName: 'The IngressClass that serves it.',
    rules: 'Hosts and paths, and their Services.',
    tls: 'Certificates by host.',
  },
  'networking/v1.NetworkPolicyPeer': {
    ipBlock: 'Addresses outside the cluster, by CIDR.',
    namespaceSelector: 'Pods in namespaces with these labels.',
    podSelector: 'Pods with these labels, in the namespaces of namespaceSelector or in its own.',
  },
  'networking/v1.NetworkPolicyPort': {
    endPort: 'The last port of a range that begins at port.',
    port: 'A port by number or name; all when it is not given.',
    protocol: 'TCP, UDP or SCTP; TCP unless told.',
  },
  'networking/v1.NetworkPolicySpec': {
    egress: 'Connections its pods may make. An empty list: none.',
    ingress: 'Connections its pods accept. An empty list: none.',
    podSelector: 'The pods it is about; all of its namespace when empty.',
    policyTypes: 'Ingress, Egress or both: the directions it rules.',
  },
};

/** Of a definition by its schema name (`core/v1.Pod`); undefined when podnet says nothing. */
export function describeDefinition(definition: string): string | undefined {
  return kinds[definition.slice(definition.indexOf('.') + 1)];
}

/** Of one field; those that every object has are described on whole objects only. */
export function describeField(definition: string, field: string, isObject: boolean): string | undefined {
  return fields[definition]?.[field] ?? (isObject ? common[field] : undefined);
}

/** Every field that has a line of its own, as `definition` and `field`. */
export function describedFields(): [definition: string, field: string][] {
  return Object.entries(fields).flatMap(([definition, of]) =>
    Object.keys(of).map((field): [string, string] => [definition, field]),
  );
}
