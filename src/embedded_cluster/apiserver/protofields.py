"""Field numbers of the Kubernetes messages that :mod:`.protobuf` reads, from the API's ``generated.proto`` files.

Each message is ``NUMBER NAME[:TYPE]``, separated by commas; TYPE is a message, ``int``, ``bool``, ``bytes``,
``map-TYPE`` or, when left out, a string. ``?`` marks what Go has a pointer for, ``*`` what is repeated; a field without
a name is embedded. Only what ``kubectl create`` and controllers send is here: a message or number that is not gets an
error.
"""

MESSAGES: dict[str, str] = {
    # apimachinery
    "Unknown": "1 typeMeta:TypeMeta, 2 raw:bytes, 3 contentEncoding, 4 contentType",
    "TypeMeta": "1 apiVersion, 2 kind",
    "ObjectMeta": (
        "1 name, 2 generateName, 3 namespace, 4 selfLink, 5 uid, 6 resourceVersion, 7 generation:int, "
        "8 creationTimestamp:Time, 9 deletionTimestamp:Time, 10 deletionGracePeriodSeconds?:int, 11 labels:map-string, "
        "12 annotations:map-string, 13 ownerReferences*:OwnerReference, 14 finalizers*"
    ),
    "OwnerReference": "1 kind, 3 name, 4 uid, 5 apiVersion, 6 controller?:bool, 7 blockOwnerDeletion?:bool",
    "LabelSelector": "1 matchLabels:map-string, 2 matchExpressions*:LabelSelectorRequirement",
    "LabelSelectorRequirement": "1 key, 2 operator, 3 values*",
    "IntOrString": "1 type:int, 2 intVal:int, 3 strVal",
    "Quantity": "1 string",
    "DeleteOptions": (
        "1 gracePeriodSeconds?:int, 2 preconditions:Preconditions, 3 orphanDependents?:bool, 4 propagationPolicy, "
        "5 dryRun*"
    ),
    "Preconditions": "1 uid, 2 resourceVersion",
    # core/v1
    "Namespace": "1 metadata:ObjectMeta, 2 spec:NamespaceSpec, 3 status:NamespaceStatus",
    "NamespaceSpec": "1 finalizers*",
    "NamespaceStatus": "1 phase",
    "ConfigMap": "1 metadata:ObjectMeta, 2 data:map-string, 3 binaryData:map-bytes, 4 immutable?:bool",
    "Secret": "1 metadata:ObjectMeta, 2 data:map-bytes, 3 type, 4 stringData:map-string, 5 immutable?:bool",
    "ServiceAccount": (
        "1 metadata:ObjectMeta, 2 secrets*:ObjectReference, 3 imagePullSecrets*:LocalObjectReference, "
        "4 automountServiceAccountToken?:bool"
    ),
    "LocalObjectReference": "1 name",
    "ObjectReference": "1 kind, 2 namespace, 3 name, 4 uid, 5 apiVersion, 6 resourceVersion, 7 fieldPath",
    "Service": "1 metadata:ObjectMeta, 2 spec:ServiceSpec, 3 status:ServiceStatus",
    "ServiceSpec": (
        "1 ports*:ServicePort, 2 selector:map-string, 3 clusterIP, 4 type, 5 externalIPs*, 7 sessionAffinity, "
        "8 loadBalancerIP, 9 loadBalancerSourceRanges*, 10 externalName, 11 externalTrafficPolicy, "
        "12 healthCheckNodePort:int, 13 publishNotReadyAddresses:bool, 17 ipFamilyPolicy?, 18 clusterIPs*, "
        "19 ipFamilies*, 20 allocateLoadBalancerNodePorts?:bool, 21 loadBalancerClass?, 22 internalTrafficPolicy?, "
        "23 trafficDistribution?"
    ),
    "ServicePort": "1 name, 2 protocol, 3 port:int, 4 targetPort:IntOrString, 5 nodePort:int, 6 appProtocol?",
    "ServiceStatus": "1 loadBalancer:LoadBalancerStatus",
    "LoadBalancerStatus": "1 ingress*:LoadBalancerIngress",
    "LoadBalancerIngress": "1 ip, 2 hostname, 3 ipMode?",
    "PodTemplateSpec": "1 metadata:ObjectMeta, 2 spec:PodSpec",
    "PodSpec": (
        "2 containers*:Container, 3 restartPolicy, 4 terminationGracePeriodSeconds?:int, 5 activeDeadlineSeconds?:int, "
        "6 dnsPolicy, 7 nodeSelector:map-string, 8 serviceAccountName, 9 serviceAccount, 10 nodeName, "
        "11 hostNetwork:bool, 12 hostPID:bool, 13 hostIPC:bool, 14 securityContext:PodSecurityContext, "
        "15 imagePullSecrets*:LocalObjectReference, 16 hostname, 17 subdomain, 19 schedulerName, "
        "20 initContainers*:Container, 24 priorityClassName"
    ),
    "PodSecurityContext": "",
    "Container": (
        "1 name, 2 image, 3 command*, 4 args*, 5 workingDir, 6 ports*:ContainerPort, 7 env*:EnvVar, "
        "8 resources:ResourceRequirements, 13 terminationMessagePath, 14 imagePullPolicy, 16 stdin:bool, "
        "17 stdinOnce:bool, 18 tty:bool, 20 terminationMessagePolicy"
    ),
    "ContainerPort": "1 name, 2 hostPort:int, 3 containerPort:int, 4 protocol, 5 hostIP",
    "EnvVar": "1 name, 2 value",
    "ResourceRequirements": "1 limits:map-Quantity, 2 requests:map-Quantity",
    "Event": (
        "1 metadata:ObjectMeta, 2 involvedObject:ObjectReference, 3 reason, 4 message, 5 source:EventSource, "
        "6 firstTimestamp:Time, 7 lastTimestamp:Time, 8 count:int, 9 type, 10 eventTime:MicroTime, "
        "11 series:EventSeries, 12 action, 13 related:ObjectReference, 14 reportingComponent, 15 reportingInstance"
    ),
    "EventSource": "1 component, 2 host",
    "EventSeries": "1 count:int, 2 lastObservedTime:MicroTime",
    # apps/v1
    "apps/Deployment": "1 metadata:ObjectMeta, 2 spec:DeploymentSpec, 3 status:DeploymentStatus",
    "DeploymentSpec": (
        "1 replicas?:int, 2 selector:LabelSelector, 3 template:PodTemplateSpec, 4 strategy:DeploymentStrategy, "
        "5 minReadySeconds:int, 6 revisionHistoryLimit?:int, 7 paused:bool, 9 progressDeadlineSeconds?:int"
    ),
    "DeploymentStrategy": "1 type, 2 rollingUpdate:RollingUpdateDeployment",
    "RollingUpdateDeployment": "1 maxUnavailable?:IntOrString, 2 maxSurge?:IntOrString",
    "DeploymentStatus": (
        "1 observedGeneration:int, 2 replicas:int, 3 updatedReplicas:int, 4 availableReplicas:int, "
        "5 unavailableReplicas:int, 7 readyReplicas:int"
    ),
    # authorization.k8s.io/v1
    "authorization.k8s.io/SelfSubjectAccessReview": (
        "1 metadata:ObjectMeta, 2 spec:SelfSubjectAccessReviewSpec, 3 status:SubjectAccessReviewStatus"
    ),
    "SelfSubjectAccessReviewSpec": (
        "1 resourceAttributes:ResourceAttributes, 2 nonResourceAttributes:NonResourceAttributes"
    ),
    "SubjectAccessReviewStatus": "1 allowed:bool, 2 reason, 3 evaluationError, 4 denied:bool",
    "ResourceAttributes": "1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name",
    "NonResourceAttributes": "1 path, 2 verb",
    # coordination.k8s.io/v1
    "coordination.k8s.io/Lease": "1 metadata:ObjectMeta, 2 spec:LeaseSpec",
    "LeaseSpec": (
        "1 holderIdentity?, 2 leaseDurationSeconds?:int, 3 acquireTime:MicroTime, 4 renewTime:MicroTime, "
        "5 leaseTransitions?:int, 6 strategy?, 7 preferredHolder?"
    ),
    # events.k8s.io/v1
    "events.k8s.io/Event": (
        "1 metadata:ObjectMeta, 2 eventTime:MicroTime, 3 series:EventSeries, 4 reportingController, "
        "5 reportingInstance, 6 action, 7 reason, 8 regarding:ObjectReference, 9 related:ObjectReference, 10 note, "
        "11 type, 12 deprecatedSource:EventSource, 13 deprecatedFirstTimestamp:Time, 14 deprecatedLastTimestamp:Time, "
        "15 deprecatedCount:int"
    ),
    # networking.k8s.io/v1
    "networking.k8s.io/Ingress": "1 metadata:ObjectMeta, 2 spec:IngressSpec, 3 status:IngressStatus",
    "IngressSpec": "1 defaultBackend:IngressBackend, 2 tls*:IngressTLS, 3 rules*:IngressRule, 4 ingressClassName?",
    "IngressTLS": "1 hosts*, 2 secretName",
    "IngressRule": "1 host, 2 :IngressRuleValue",
    "IngressRuleValue": "1 http:HTTPIngressRuleValue",
    "HTTPIngressRuleValue": "1 paths*:HTTPIngressPath",
    "HTTPIngressPath": "1 path, 2 backend:IngressBackend, 3 pathType?",
    "IngressBackend": "4 service:IngressServiceBackend",
    "IngressServiceBackend": "1 name, 2 port:ServiceBackendPort",
    "ServiceBackendPort": "1 name, 2 number:int",
    "IngressStatus": "1 loadBalancer:IngressLoadBalancerStatus",
    "IngressLoadBalancerStatus": "1 ingress*:LoadBalancerIngress",
    # rbac.authorization.k8s.io/v1
    "rbac.authorization.k8s.io/Role": "1 metadata:ObjectMeta, 2 rules*:PolicyRule",
    "rbac.authorization.k8s.io/ClusterRole": (
        "1 metadata:ObjectMeta, 2 rules*:PolicyRule, 3 aggregationRule:AggregationRule"
    ),
    "AggregationRule": "1 clusterRoleSelectors*:LabelSelector",
    "rbac.authorization.k8s.io/RoleBinding": "1 metadata:ObjectMeta, 2 subjects*:Subject, 3 roleRef:RoleRef",
    "rbac.authorization.k8s.io/ClusterRoleBinding": "1 metadata:ObjectMeta, 2 subjects*:Subject, 3 roleRef:RoleRef",
    "PolicyRule": "1 verbs*, 2 apiGroups*, 3 resources*, 4 resourceNames*, 5 nonResourceURLs*",
    "Subject": "1 kind, 2 apiGroup, 3 name, 4 namespace",
    "RoleRef": "1 apiGroup, 2 kind, 3 name",
}
