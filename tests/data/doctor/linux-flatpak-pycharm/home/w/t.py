import keras
model = keras.Sequential()
