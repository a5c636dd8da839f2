import time,numpy as np,pandas as pd
from flatminima.studies.manifold import runs
from flatminima.flows.gradient_flow import settle
for s in range(6):
  for live in (8,9,10,12):
    d,n=20,8
    rng = np.random.default_rng([s, 6]); z, y = rng.choice([-1.0, 1.0], (n, d)), rng.standard_normal(n)
    on = np.zeros(d); ix=rng.permutation(d)[:live]; on[ix] = 1.0
    m=runs.Diagonal(z,y); x0=np.tile(on, 2) * (0.5 + 0.2 * rng.random(2 * d))
    t=time.perf_counter(); e=settle(m,x0,max_time=1e6,rtol=1e-6,atol=1e-9)
    print(s,live,np.linalg.matrix_rank(z[:,ix]),e.reason,e.loss,e.time,round(time.perf_counter()-t,3))
