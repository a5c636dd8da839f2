import time,numpy as np,pandas as pd
from flatminima.studies.manifold import runs, starts
pd.set_option("display.width",200)
S=list(range(0,10)); size=dict(d=3,n=6,width=12)
t=time.perf_counter(); print(pd.DataFrame([runs.joined(runs.network(s,**size),s) for s in S])); print(time.perf_counter()-t)
