"""A Kubernetes API server for tests: real HTTP, used through the official client.

    with FakeKubernetes(tmp_path) as kube:
        batch = client.BatchV1Api(kube.client())

It stands where a cluster can't: what it stores, refuses and reports is what a cluster would, as far
as `test_*.py` beside it show, and a Job's pods are processes of this machine. `cluster` has the
front door and the hooks by which a test makes things go wrong.

    front, watching, discovery     HTTP
    access                         who may do what: tokens, and the Roles that the tests deploy
    store, deletion                objects, versions and their log; owners and finalizers
    rules, schema, selectors       what is refused, what is defaulted, what is selected
    patches, ownership             the four ways to change an object
    jobs, job_status, scheduler    the controllers
    kubelet, containers, volumes   pods as processes
"""
