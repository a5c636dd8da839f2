import time,numpy as np,pandas as pd
from flatminima.studies.label_noise import paths as P
pd.set_option("display.width",220); pd.set_option("display.max_columns",30)
t=time.perf_counter()
obs=[P.observe(P.base(d=20,n=10,sparsity=3,alpha=.5,delta=.5,seed=s),[.001,.002,.004,.008,.016],time=3.0,tau=4.0) for s in range(10)]
print(time.perf_counter()-t)
st=pd.DataFrame([o.statistics() for o in obs]).set_index("seed"); print(st); print(st.mean(), st.std())
